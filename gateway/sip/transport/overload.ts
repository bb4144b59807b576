import type { Clock, Timer } from './clock.ts';

export interface OverloadOptions {
  /** Time between two looks, ms. */
  readonly sampleMs: number;
  /** Mean lateness of the event loop, ms, from which on new requests are shed: well below T1, 500 ms. */
  readonly shedMs: number;
  /** And the one below which they are taken again. */
  readonly admitMs: number;
}

export const defaultOverload: OverloadOptions = { sampleMs: 100, shedMs: 100, admitMs: 25 };

/**
 * Whether the event loop keeps up: a timer that fires late tells how long everything else waits. One pause (garbage
 * collection, a synchronous write) counts half, the one before it a quarter, and so on.
 */
export class Overload {
  readonly #options: OverloadOptions;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #latenessMs = 0;
  #overloaded = false;

  constructor(options: OverloadOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#await();
  }

  get overloaded(): boolean {
    return this.#overloaded;
  }

  /** The mean that the thresholds are held against, ms. */
  get latenessMs(): number {
    return this.#latenessMs;
  }

  close(): void {
    this.#timer?.clear();
    this.#timer = undefined;
    this.#overloaded = false;
  }

  #await(): void {
    const due = this.#clock.now() + this.#options.sampleMs;
    this.#timer = this.#clock.setTimeout(() => {
      this.#look(Math.max(0, this.#clock.now() - due));
      this.#await();
    }, this.#options.sampleMs);
  }

  #look(lateMs: number): void {
    this.#latenessMs = (this.#latenessMs + lateMs) / 2;
    const { shedMs, admitMs } = this.#options;
    this.#overloaded = this.#latenessMs >= (this.#overloaded ? admitMs : shedMs);
  }
}
