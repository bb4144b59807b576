import type { Clock, Timer } from '../transaction/clock.ts';
import { T1_MS, TRANSACTION_MS } from '../transaction/timers.ts';

/** Sends a response again, end to end, until the peer acknowledges it: after T1, 2*T1, 4*T1, … for 64*T1 in all. */
export class Retransmission {
  readonly #clock: Clock;
  readonly #send: () => void;
  readonly #expired: () => void;
  readonly #longest: number;
  readonly #end: number;
  #interval = T1_MS;
  #timer: Timer | undefined;

  /** `longest` bounds the doubling, ms: T2 for a 2xx (RFC 3261 §13.3.1.4), none for a reliable 1xx (RFC 3262 §3). */
  constructor(
    clock: Clock,
    options: { readonly send: () => void; readonly expired: () => void; readonly longest: number },
  ) {
    this.#clock = clock;
    this.#send = options.send;
    this.#expired = options.expired;
    this.#longest = options.longest;
    this.#end = clock.now() + TRANSACTION_MS;
    this.#wait();
  }

  close(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #wait(): void {
    const left = this.#end - this.#clock.now();
    this.#timer = this.#clock.setTimeout(this.#ring, Math.min(this.#interval, left));
  }

  readonly #ring = (): void => {
    if (this.#clock.now() >= this.#end) {
      this.#timer = undefined;
      this.#expired();
      return;
    }
    this.#interval = Math.min(2 * this.#interval, this.#longest);
    this.#wait();
    this.#send();
  };
}
