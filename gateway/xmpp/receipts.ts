import type { Stanza } from '../bridge/stanza.ts';

/** Sends stanzas on a stream and learns which of them the peer has taken. */
export interface Receipts {
  /** Whether the peer should confirm some before it is sent more. */
  readonly full: boolean;
  send(stanza: Stanza): void;
  /** Writes what waits for its turn. */
  flush(): void;
  /** Asks the peer for a sign of life; false where nothing could be asked. */
  probe(): boolean;
  /**
   * The stream is gone; `allRead` where the peer has read it to its end. `settled` is told, now or soon, what the peer
   * has not taken, in order.
   */
  close(allRead: boolean, settled: (left: Stanza[]) => void): void;
}

/** What a stream may carry unconfirmed before it waits: bounds what a break sends again, and the memory that costs. */
export const UNCONFIRMED = { stanzas: 2000, bytes: 4 * 1024 * 1024 } as const;
