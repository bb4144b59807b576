import { wholeNumber } from '../message/text.ts';
import type { ReadHeaders } from '../port.ts';
import type { Clock, Timer } from '../transaction/clock.ts';

/** The least Min-SE there is, and ours, s (RFC 4028 §5). */
export const LEAST_INTERVAL = 90;
/** A refresh that failed for a while is tried again after so long, ms, as long as the session has not expired. */
const AGAIN_MS = 10_000;

/** What two user agents agreed on (RFC 4028 §4). */
export interface TimerTerms {
  /** Seconds from one refresh to the expiry. */
  readonly interval: number;
  readonly refresher: 'us' | 'peer';
}

export interface SessionExpires {
  readonly interval: number;
  readonly refresher: 'uac' | 'uas' | undefined;
}

/** Reads Session-Expires; undefined where there is none, or none that can be read. */
export function sessionExpires(headers: ReadHeaders): SessionExpires | undefined {
  const [seconds = '', ...params] = (headers.get('Session-Expires') ?? '').split(';').map((part) => part.trim());
  const interval = wholeNumber(seconds, 2 ** 31 - 1);
  if (interval === undefined) return undefined;
  const [, role] = params.map((param) => /^refresher\s*=\s*(ua[cs])$/i.exec(param)).find((match) => match) ?? [];
  return { interval, refresher: role?.toLowerCase() as 'uac' | 'uas' | undefined };
}

/** The interval that a 422 asks for at least, s; undefined where it names none (RFC 4028 §7.4). */
export function leastInterval(headers: ReadHeaders): number | undefined {
  return wholeNumber(headers.get('Min-SE') ?? '', 2 ** 31 - 1);
}

/** Whether the interval of a request is below ours, so that it is answered 422 (RFC 4028 §9). */
export function tooShort(headers: ReadHeaders): boolean {
  const asked = sessionExpires(headers);
  return asked !== undefined && asked.interval < LEAST_INTERVAL && speaksTimer(headers);
}

/**
 * What we answer a request with (RFC 4028 §9, Table 2); undefined: no timer. Where the choice is ours the caller
 * refreshes, unless it cannot.
 */
export function termsOfRequest(headers: ReadHeaders, wished: number): TimerTerms | undefined {
  const asked = sessionExpires(headers);
  const speaks = speaksTimer(headers);
  if (asked === undefined && !speaks) return undefined;
  const least = Math.max(LEAST_INTERVAL, leastInterval(headers) ?? 0);
  const interval = Math.max(least, asked?.interval ?? wished);
  return { interval, refresher: speaks && asked?.refresher !== 'uas' ? 'peer' : 'us' };
}

/** What a 2xx to our request says; without Session-Expires there is no timer (RFC 4028 §7.2). */
export function termsOfResponse(headers: ReadHeaders): TimerTerms | undefined {
  const agreed = sessionExpires(headers);
  if (agreed === undefined) return undefined;
  const interval = Math.max(LEAST_INTERVAL, agreed.interval);
  return { interval, refresher: agreed.refresher === 'uas' ? 'peer' : 'us' };
}

export function speaksTimer(headers: ReadHeaders): boolean {
  return has(headers.all('Supported'), 'timer') || has(headers.all('Require'), 'timer');
}

function has(tags: readonly string[], tag: string): boolean {
  return tags.some((one) => one.toLowerCase() === tag);
}

/** Whose timer it is. */
export interface Timed {
  /** It is time for a refresh of ours. */
  refreshSession(): void;
  /** Nobody refreshed it in time. */
  sessionExpired(): void;
}

/** The timer of one session: half-way it asks for our refresh, and shortly before the expiry it gives up (RFC 4028 §10). */
export class SessionTimer {
  readonly terms: TimerTerms;
  readonly #clock: Clock;
  readonly #timed: Timed;
  /** When the session counts as dead: min(32 s, interval/3) before it expires. */
  readonly #deadline: number;
  #refreshAt: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, terms: TimerTerms, timed: Timed) {
    this.terms = terms;
    this.#clock = clock;
    this.#timed = timed;
    const ms = 1_000 * terms.interval;
    this.#deadline = clock.now() + ms - Math.min(32_000, ms / 3);
    this.#refreshAt = terms.refresher === 'us' ? clock.now() + ms / 2 : Number.POSITIVE_INFINITY;
    this.#wait();
  }

  /** A refresh failed in a way that may pass. */
  again(): void {
    this.#refreshAt = this.#clock.now() + AGAIN_MS;
    this.close();
    this.#wait();
  }

  close(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #wait(): void {
    const at = Math.min(this.#refreshAt, this.#deadline);
    this.#timer = this.#clock.setTimeout(this.#ring, at - this.#clock.now());
  }

  readonly #ring = (): void => {
    if (this.#clock.now() >= this.#deadline) {
      this.#timer = undefined;
      this.#timed.sessionExpired();
      return;
    }
    this.#refreshAt = Number.POSITIVE_INFINITY;
    this.#wait();
    this.#timed.refreshSession();
  };
}
