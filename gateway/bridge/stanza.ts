/** The three stanzas of RFC 6120 §8. */
export type StanzaName = 'message' | 'presence' | 'iq';

/**
 * One stanza as it passes through the middle: plain data, its start tag read and its bytes left alone.
 *
 * `bytes` is portable: it declares every prefix it uses, and leaves the default namespace of its root and stanza
 * children to the stream it is written on (`jabber:server` and `jabber:component:accept` alike, RFC 6120 §4.8.3).
 */
export interface Stanza {
  readonly name: StanzaName;
  readonly from: string;
  readonly to: string;
  /** '' where the attribute is absent. */
  readonly type: string;
  readonly id: string;
  /** Namespace and local name of the first child element, '' where there is none: what an IQ is about. */
  readonly childNamespace: string;
  readonly childName: string;
  /** Child elements in all. */
  readonly children: number;
  readonly bytes: Buffer;
  /** Where the outbox keeps it, absent where nothing does: what must not be lost has one until it is delivered. */
  readonly kept?: Kept;
}

/** A place in the outbox: which queue, which of its stanzas, and since when, ms since the epoch. */
export interface Kept {
  readonly queue: number;
  readonly ticket: number;
  readonly since: number;
}

/**
 * Whether a stanza may be sent again after a break that leaves in doubt if it was taken. Presence says the same when it
 * is said twice, and so does a question that changes nothing; answers and errors cannot come back, so twice is better
 * than never. All else comes back to its sender: it arrives once or is refused, and never twice.
 */
export function mayRepeat({ name, type }: Stanza): boolean {
  if (name === 'message') return type === 'error';
  return name === 'presence' || type !== 'set';
}
