import type { Stanza } from '../../bridge/stanza.ts';

/** A local user's resource, prepared (`policies/address.ts`): domain in A-labels, local folded. */
export interface LocalAddress {
  readonly local: string;
  readonly domain: string;
  readonly resource: string;
}

/** A bound resource as the users' side sees it. It outlives its connection where the client may resume (XEP-0198 §5). */
export interface Session {
  /** Unique, the same across resumption and a restart of the gateway. */
  readonly id: string;
  readonly address: LocalAddress;
  /** The full JID as it is written on the wire. */
  readonly jid: string;
  /** Its client is so far behind that what nobody asked for is better left out: past its bounds, the session ends. */
  readonly crowded: boolean;
  /**
   * Sends in order; of no effect once closed. `mail` is the mailbox row that this stanza settles:
   * {@link SessionHost.settled} follows when the client took it. A stanza with `mail` is written only once all that
   * was stored before is kept, so it may be sent in the very turn that stores its row.
   */
  send(stanza: Stanza, mail?: number): void;
  /**
   * What {@link SessionHost.restored} is to be told after a restart of the gateway, such as the presence sent: text of
   * the users' side, some kB at most, replaced by each call.
   */
  remember(text: string): void;
  /**
   * The middle has no room: reads no more of the client until {@link Session.resume}. A stanza already read may
   * follow. Holds across resumption; of no effect twice.
   */
  pause(): void;
  resume(): void;
  /**
   * Ends it for good with a stream error (RFC 6120 §4.9.3), e.g. `conflict`, `not-authorized`.
   * {@link SessionHost.closed} is told before this returns.
   */
  close(condition: string): void;
}

/** What the wire tells the users' side. */
export interface SessionHost {
  /** A resource is bound. A session that is resumed stays as it is, and nothing is told. */
  opened(session: Session): void;
  /**
   * Before the first listener accepts: a session of before the restart, which its client may still resume. It stands
   * like any other; `remembered` is the last text of {@link Session.remember}, '' for none. Its client may or may not
   * have taken the rows of `mail`: those that still exist are sent on it again, in this order, before this returns.
   */
  restored(session: Session, remembered: string, mail: readonly number[]): void;
  /**
   * A stanza of the client: `from` is stamped with its full JID, `to` is '' where absent. What this call stores is kept
   * in the same group commit as the position that the client may resume from.
   */
  stanza(session: Session, stanza: Stanza): void;
  /** The client acknowledged it (XEP-0198), or it was written where the client does not acknowledge. */
  settled(mail: number): void;
  /** The session is over for good. `unsettled`: mailbox rows that its client did not take, in order. */
  closed(session: Session, unsettled: readonly number[]): void;
  /** Calls `then`, in order, once all that was stored before is kept. */
  whenKept(then: () => void): void;
}
