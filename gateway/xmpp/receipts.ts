import type { Stanza } from '../bridge/stanza.ts';

/** What a stream that is gone leaves behind, each in order. */
export interface Left {
  /** Written and not confirmed: the peer may have taken them. */
  readonly doubtful: readonly Stanza[];
  /** Certainly not taken by the peer: never written, or disowned by it. They come behind the doubtful. */
  readonly unsent: readonly Stanza[];
}

export const nothingLeft: Left = { doubtful: [], unsent: [] };

/** Sends stanzas on a stream and learns which of them the peer has taken. */
export interface Receipts {
  /** Whether the peer should confirm some before it is sent more. */
  readonly full: boolean;
  /** Stanzas sent and not confirmed. */
  readonly pending: number;
  send(stanza: Stanza): void;
  /** Writes what waits for its turn. */
  flush(): void;
  /** Asks the peer for a sign of life; false where nothing could be asked. */
  probe(): boolean;
  /**
   * The stream is gone; `allRead` where the peer has read it to its end. `settled` is told, now or soon, what the peer
   * has not taken.
   */
  close(allRead: boolean, settled: (left: Left) => void): void;
}

/** What a stream may carry unconfirmed before it waits: bounds what a break leaves in doubt, and the memory that costs. */
export const UNCONFIRMED = { stanzas: 2000, bytes: 4 * 1024 * 1024 } as const;
