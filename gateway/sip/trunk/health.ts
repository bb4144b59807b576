/** How many observations in a row turn a trunk. */
export interface HealthOptions {
  readonly failures: number;
  readonly successes: number;
  /** Told when it turns. */
  turned(state: 'up' | 'down', why: string | undefined): void;
}

/**
 * Whether a trunk works, judged by what becomes of its requests. One failure proves nothing, and one success behind an
 * outage neither; at the start one success is enough.
 */
export class Health {
  readonly #options: HealthOptions;
  #state: 'unknown' | 'up' | 'down' = 'unknown';
  /** In a row; negative for failures. */
  #run = 0;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Until something is known it is taken to work. */
  get state(): 'up' | 'down' {
    return this.#state === 'down' ? 'down' : 'up';
  }

  /** Failures since the last success. */
  get failures(): number {
    return Math.max(0, -this.#run);
  }

  /** Whether it was down, and too few successes have come since. */
  get recovering(): boolean {
    return this.#state === 'down' && this.#run > 0;
  }

  /** What was seen while it was down proves nothing any more. */
  forgive(): void {
    if (this.#state !== 'down') return;
    this.#state = 'unknown';
    this.#run = 0;
  }

  succeeded(): void {
    this.#run = Math.max(0, this.#run) + 1;
    const enough = this.#state === 'down' ? this.#options.successes : 1;
    if (this.#state !== 'up' && this.#run >= enough) this.#turn('up', undefined);
  }

  failed(why: string): void {
    this.#run = Math.min(0, this.#run) - 1;
    if (this.#state !== 'down' && this.failures >= this.#options.failures) this.#turn('down', why);
  }

  #turn(state: 'up' | 'down', why: string | undefined): void {
    this.#state = state;
    this.#options.turned(state, why);
  }
}
