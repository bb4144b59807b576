export interface KeepAliveOptions {
  /** The longest time between two pings of ours, ms; the time drawn is 80 to 100 % of it (RFC 5626 §4.4.1). */
  readonly intervalMs: number;
  /** How long the answer may take, ms. */
  readonly pongMs: number;
  /**
   * Whether a peer that has never answered a ping must: RFC 5626 presumes that it said so, and a trunk peer may know
   * nothing of it and pass blank lines over (RFC 3261 §7.5). One that has answered once must go on in either case.
   */
  readonly pong: 'demanded' | 'once-seen';
}

/** RFC 5626 §4.4.1, with its recommended interval for flows that no NAT threatens. */
export const defaultKeepAlive: KeepAliveOptions = { intervalMs: 120_000, pongMs: 10_000, pong: 'once-seen' };

const FLOOD_PERIOD_MS = 10_000;

/** The keep-alive of one flow: tells pings from pongs, and when a ping is due or the flow is dead. Sends nothing itself. */
export class KeepAlive {
  /** undefined: we do not ping, as on flows that peers opened. */
  readonly #options: KeepAliveOptions | undefined;
  readonly #blankLines: number;
  readonly #random: () => number;
  #pingAt = Number.POSITIVE_INFINITY;
  /** Until when the answer to our ping must be in; undefined where none is owed. */
  #pongUntil: number | undefined;
  #alive = false;
  #answers = false;
  /** The first CRLF of a ping has come. */
  #half = false;
  #period = { until: 0, blankLines: 0 };

  /** `blankLines`: how many of them may come in ten seconds; `random` is uniform in [0, 1). */
  constructor(options: KeepAliveOptions | undefined, blankLines: number, random: () => number, now: number) {
    this.#options = options;
    this.#blankLines = blankLines;
    this.#random = random;
    this.#schedule(now);
  }

  /** A CRLF between messages came. `ping`: it wants a CRLF in answer. */
  blankLine(now: number): 'pong' | 'half' | 'ping' | 'flood' {
    if (now >= this.#period.until) this.#period = { until: now + FLOOD_PERIOD_MS, blankLines: 0 };
    if (++this.#period.blankLines > this.#blankLines) return 'flood';
    if (this.#pongUntil !== undefined) {
      this.#answers = true;
      this.#schedule(now);
      return 'pong';
    }
    this.#half = !this.#half;
    return this.#half ? 'half' : 'ping';
  }

  /** A message came: the peer lives, and blank lines before it belong to none after it. */
  message(): void {
    this.#half = false;
    this.#alive = true;
  }

  /** What is to be done now. */
  due(now: number): 'ping' | 'dead' | undefined {
    if (this.#options === undefined) return undefined;
    if (this.#pongUntil === undefined) return now >= this.#pingAt ? this.#ping(now, this.#options.pongMs) : undefined;
    if (now < this.#pongUntil) return undefined;
    if (!this.#alive && (this.#answers || this.#options.pong === 'demanded')) return 'dead';
    this.#schedule(now);
    return undefined;
  }

  #ping(now: number, pongMs: number): 'ping' {
    this.#pongUntil = now + pongMs;
    this.#alive = false;
    this.#half = false;
    return 'ping';
  }

  #schedule(now: number): void {
    this.#pongUntil = undefined;
    if (this.#options !== undefined) this.#pingAt = now + this.#options.intervalMs * (0.8 + 0.2 * this.#random());
  }
}
