import type { Place } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { ProofKind } from '../../policies/trust.ts';
import type { Stanza } from './stanza.ts';

/**
 * The seams between the middle and its two sides. What crosses them is plain data: an edge may one day stand in the
 * DMZ and dial in from there.
 *
 * Flow control: `false` from the middle says "taken, but bring no more of this pair until there is room".
 */

/**
 * What became of a stanza that an edge or home was handed: `more` may follow; `enough`, it was taken, but no more until
 * there is room; `none`, one that is kept was not taken, for nothing leads there now, and `room…` follows when it does.
 */
export type Taken = 'more' | 'enough' | 'none';

/** What both sides tell the middle of the stanzas they were handed, and ask before they confirm what they hand in. */
export interface Keeper {
  /** The other side has taken it. */
  delivered(stanza: Stanza): void;
  /** It will not be delivered. */
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
  /** These were taken and certainly not passed on: the middle keeps them, in their order, until there is room. */
  returned(stanzas: readonly Stanza[]): void;
  /** Calls `then` when all that was handed in so far is kept: nothing is acknowledged to its sender before. */
  whenKept(then: () => void): void;
}

/** How a partner is reached. */
export type Protocol = 'xmpp' | 'sip';

/** What one proof of a partner's identity found. */
export interface Evidence {
  readonly proof: ProofKind;
  readonly domain: string;
  readonly holds: boolean;
  /** `allowed` where it holds. */
  readonly reason: ReasonCode;
  readonly detail: string;
  /** Until when it holds, ms since the epoch. */
  readonly notAfter?: number | undefined;
}

export interface TrustVerdict {
  readonly sufficient: boolean;
  readonly reason: ReasonCode;
  readonly place?: Place | undefined;
}

/** What an edge may ask and tell the middle. */
export interface EdgeHost extends Keeper {
  isHome(domain: string): boolean;
  /** Whether this evidence suffices for this partner, who comes by XMPP unless `via` says otherwise: its policy decides. */
  trust(domain: string, evidence: readonly Evidence[], via?: Protocol): TrustVerdict;
  /** Takes one of the partner's simultaneous streams; insufficient where its policy allows no more. */
  admitStream(domain: string): TrustVerdict;
  releaseStream(domain: string): void;
  /** Whether one policy speaks of both domains: then a stream that proves both is one stream of that partner. */
  samePartner(one: string, other: string): boolean;
  /** A stanza from a proven partner, which came by XMPP unless `via` says otherwise. */
  inbound(partnerDomain: string, homeDomain: string, stanza: Stanza, via?: Protocol): boolean;
  /**
   * What a stanza of ours came to, as the partner's protocol itself says: an error, for its sender. It is no stanza of
   * the partner's, so it is not judged and counts towards no limit; no more of them come than of ours went out.
   */
  answered(partnerDomain: string, homeDomain: string, error: Stanza): void;
  /** The outbound way of this pair takes stanzas again, or has gone. */
  roomForPartner(homeDomain: string, partnerDomain: string): void;
  /** No way leads to the partner, and soon none will: what is kept for it comes back to its senders. */
  partnerUnreachable(homeDomain: string, partnerDomain: string, reason: ReasonCode): void;
}

/** What the middle asks of an edge. */
export interface Edge {
  /** What it carries; without this XMPP alone. */
  readonly carries?: ReadonlySet<Protocol>;
  /** Queues a stanza for a partner, in order per pair of domains. */
  send(homeDomain: string, partnerDomain: string, stanza: Stanza): Taken;
  /** The inbound streams of this pair may be read again. */
  room(homeDomain: string, partnerDomain: string): void;
  /**
   * Takes an error as the answer to a message of the partner that waits for one, ahead of all that is on its way there:
   * true where it did.
   */
  answers?(error: Stanza): boolean;
  /** The home has taken a message that this partner sent: for an edge whose protocol tells senders so. */
  arrived?(homeDomain: string, partnerDomain: string, message: Stanza): void;
}

/** What a home may tell the middle. */
export interface HomeHost extends Keeper {
  /** A stanza of a local user for a partner. */
  outbound(partnerDomain: string, stanza: Stanza): boolean;
  /** The way to the home server takes stanzas of this partner again, or has gone. */
  roomForHome(partnerDomain: string): void;
  /** The home server takes nothing of this partner any more: what is kept for it comes back to its senders. */
  homeUnreachable(partnerDomain: string, reason: ReasonCode): void;
}

/** What the middle asks of a home. */
export interface Home {
  /**
   * Whether it stores what it is handed, or what becomes of it, in the very turn in which it says so: then the outbox
   * lets go of it in the same commit, and no crash leaves it in doubt.
   */
  readonly keeps?: boolean;
  /** Queues a stanza for the home server, in order per partner domain. */
  deliver(partnerDomain: string, stanza: Stanza): Taken;
  /** The home's traffic for this partner may be read again. */
  room(partnerDomain: string): void;
}
