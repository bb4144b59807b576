import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';
import { TRANSACTION_MS } from './timers.ts';

/**
 * Finds a request that has come before by another path, for 482 (RFC 3261 §8.2.2.2): an index of From tag, Call-ID and
 * CSeq, never a scan.
 *
 * One stands in it while its transaction goes on, and for 64*T1 longer where it got a 2xx: what has taken effect must
 * not do so twice. One that was refused may be sent anew, such as to the next target after a 503.
 */
export class MergedRequests {
  readonly #known = new Set<string>();
  readonly #answered: TimerQueue<string>;
  readonly #remembered: number;

  /** Of the answered ones no more than `remembered` are kept, the latest. */
  constructor(clock: Clock, remembered: number) {
    this.#answered = new TimerQueue(clock, TRANSACTION_MS, (key) => this.#known.delete(key));
    this.#remembered = remembered;
  }

  get size(): number {
    return this.#known.size;
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  begin(key: string): void {
    this.#known.add(key);
  }

  refused(key: string): void {
    this.#known.delete(key);
  }

  answered(key: string): void {
    if (this.#answered.size >= this.#remembered) this.#answered.expireFirst();
    this.#answered.add(key);
  }

  close(): void {
    this.#answered.close();
    this.#known.clear();
  }
}
