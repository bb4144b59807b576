import type { Clock, Timer } from '../transaction/clock.ts';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly fraction: () => number;
  /** Mean time between two questions, ms; 0 asks nothing. */
  readonly everyMs: number;
  /** Asks the peer whether it lives; never rejects. */
  ask(): Promise<void>;
  /** Failures since the last success. */
  failures(): number;
  /** It answers again, and is to prove it. */
  recovering(): boolean;
}

/** The first question comes soon, and not that of every trunk at once, ms. */
const SOON_MS = 2_000;
/** Between a failure, or the first sign of life behind some, and the next question, ms; doubles with each further failure, up to the usual time. */
const RECOVERY_MS = 1_000;

/** Asks a peer again and again whether it lives: one question at a time. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    if (options.everyMs > 0) this.#wait(Math.min(SOON_MS, options.everyMs) * options.fraction());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
  }

  #wait(ms: number): void {
    this.#timer = this.#options.clock.setTimeout(() => void this.#beat(), ms);
  }

  async #beat(): Promise<void> {
    await this.#options.ask();
    if (!this.#closed) this.#wait(this.#pause());
  }

  /** 80 to 120 % of it, as no two trunks should beat together. */
  #pause(): number {
    const { everyMs, failures, recovering, fraction } = this.#options;
    const failed = recovering() ? 1 : failures();
    const ms = failed === 0 ? everyMs : Math.min(everyMs, RECOVERY_MS * 2 ** Math.min(failed - 1, 16));
    return ms * (0.8 + 0.4 * fraction());
  }
}
