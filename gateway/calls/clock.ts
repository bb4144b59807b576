/** Timers of a call, as the gateway's clock runs; ms. */
export interface CallClock {
  now(): number;
  /** Returns what stops it. */
  after(ms: number, run: () => void): () => void;
}
