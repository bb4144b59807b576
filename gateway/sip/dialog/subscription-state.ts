import type { SipRequest } from '../message/message.ts';
import { type Params, parseParams } from '../message/params.ts';
import { classes, isIn, trimmed } from '../message/text.ts';
import type { Answer } from '../port.ts';

/** What a Subscription-State header says (RFC 6665 §8.2.3). */
export interface SubscriptionState {
  /** `active`, `pending`, `terminated` or an extension, in lower case. */
  readonly state: string;
  /** Why it is terminated, in lower case; '' where it says nothing. */
  readonly reason: string;
  /** Seconds that it will last. */
  readonly expires: number | undefined;
}

/** What an Event header says (RFC 6665 §8.2.1). */
export interface EventName {
  /** The package with its templates, such as `presence.winfo`. */
  readonly type: string;
  readonly id: string;
}

/** Longest subscription, s: no timer lasts longer than 2^31 ms. */
export const MOST_SECONDS = 2 ** 31 / 1_000 - 1;

/** Reads a Subscription-State. Throws Fault `sip-malformed`. */
export function readSubscriptionState(text: string): SubscriptionState | undefined {
  const { word, params } = wordAndParams(text);
  if (!isIn(word, classes.token)) return undefined;
  const expires = secondsOf(params.get('expires'));
  return { state: word.toLowerCase(), reason: (params.get('reason') ?? '').toLowerCase(), expires };
}

/** Reads an Event; undefined where there is none. Throws Fault `sip-malformed`. */
export function readEvent(text: string | undefined): EventName | undefined {
  const { word, params } = wordAndParams(text ?? '');
  return isIn(word, classes.token) ? { type: word, id: params.get('id') ?? '' } : undefined;
}

/** Whether a request is of the subscription to an event (RFC 6665 §4.5.2). Throws Fault `sip-malformed`. */
export function isOfEvent(text: string | undefined, event: EventName): boolean {
  const named = readEvent(text);
  return named?.type === event.type && named.id === event.id;
}

/** Seconds of Expires and the like, no more than {@link MOST_SECONDS}; undefined where there are none. */
export function secondsOf(text: string | undefined): number | undefined {
  return text === undefined || !/^[0-9]{1,10}$/.test(text) ? undefined : Math.min(Number(text), MOST_SECONDS);
}

/** A subscription shorter than this is not worth its messages, s; only shorter ones than an hour may be refused. */
const LEAST_SECONDS = 60;
/** Where a SUBSCRIBE says nothing, s; also the default of the presence package (RFC 3856 §6.4). */
const DEFAULT_SECONDS = 3_600;
/** Longer is granted to nobody, s. */
const LONGEST_SECONDS = 86_400;

/** How long a SUBSCRIBE asks to last, s, 0 to end it; or the 423 for one that is too brief (RFC 6665 §4.2.1.1). */
export function requestedSeconds({ headers }: SipRequest): number | Answer {
  const seconds = Math.min(secondsOf(headers.get('Expires')) ?? DEFAULT_SECONDS, LONGEST_SECONDS);
  if (seconds === 0 || seconds >= LEAST_SECONDS) return seconds;
  return { status: 423, headers: [['Min-Expires', String(LEAST_SECONDS)]] };
}

/** Final responses to SUBSCRIBE and NOTIFY behind which a subscription is no more (RFC 6665 §4.1.2.2, §4.2.2). */
const fatal: ReadonlySet<number> = new Set([404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);

export function endsSubscription(status: number): boolean {
  return fatal.has(status);
}

function wordAndParams(text: string): { readonly word: string; readonly params: Params } {
  const semicolon = text.indexOf(';');
  const end = semicolon < 0 ? text.length : semicolon;
  return { word: trimmed(text.slice(0, end)), params: parseParams(text, end) };
}
