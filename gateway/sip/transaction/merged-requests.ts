import type { Clock } from './clock.ts';
import { TRANSACTION_MS } from './timers.ts';

/**
 * Finds a request that has come before by another path, for 482 (RFC 3261 §8.2.2.2): an index of From tag, Call-ID and
 * CSeq, never a scan.
 *
 * One stands in it while its transaction goes on, and for 64*T1 longer where it got a 2xx: what has taken effect must
 * not do so twice. One that was refused may be sent anew, such as to the next target after a 503.
 */
export class MergedRequests {
  readonly #clock: Clock;
  readonly #remembered: number;
  readonly #underWay = new Set<string>();
  /** Answered: in this period of 64*T1, and in the one before. They go all at once, for there are many. */
  #answered = new Set<string>();
  #before = new Set<string>();
  #since = 0;

  /** Of the answered ones no more than `remembered` are kept, the latest. */
  constructor(clock: Clock, remembered: number) {
    this.#clock = clock;
    this.#remembered = remembered;
  }

  get size(): number {
    return this.#underWay.size + this.#answered.size + this.#before.size;
  }

  has(key: string): boolean {
    this.#age();
    return this.#underWay.has(key) || this.#answered.has(key) || this.#before.has(key);
  }

  begin(key: string): void {
    this.#underWay.add(key);
  }

  refused(key: string): void {
    this.#underWay.delete(key);
  }

  answered(key: string): void {
    this.#underWay.delete(key);
    this.#age();
    if (this.#answered.size * 2 >= this.#remembered) this.#turn();
    this.#answered.add(key);
  }

  close(): void {
    this.#underWay.clear();
    this.#answered.clear();
    this.#before.clear();
  }

  #age(): void {
    const late = this.#clock.now() - this.#since;
    if (late < TRANSACTION_MS) return;
    this.#turn();
    if (late >= 2 * TRANSACTION_MS) this.#turn();
  }

  #turn(): void {
    this.#before = this.#answered;
    this.#answered = new Set();
    this.#since = this.#clock.now();
  }
}
