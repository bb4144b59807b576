/** Counts what comes, and tells when there is as much as was sent. */
export class Tally {
  /** Messages since {@link begin}. */
  received = 0;
  /** µs from sending to arrival of each message, where the senders stamp them. */
  latencies: number[] = [];
  #lastUs = 0;
  #wanted: { count: number; reached: (atUs: number) => void } | undefined;

  /** Counts from 0 again. `stamped`: the number in every id is the time of sending. */
  begin(_stamped: boolean): void {
    this.received = 0;
    this.latencies = [];
    this.#wanted = undefined;
  }

  /** Resolves with the time of the last, when so many messages have come since {@link begin}. */
  reach(count: number): Promise<number> {
    return new Promise((resolve) => {
      this.#wanted = { count, reached: resolve };
      this.look(this.#lastUs);
    });
  }

  /** Looks whether it is all there, now that something has come. */
  look(now: number): void {
    this.#lastUs = now;
    if (this.#wanted === undefined || this.received < this.#wanted.count) return;
    this.#wanted.reached(now);
    this.#wanted = undefined;
  }
}
