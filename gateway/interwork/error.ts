import type { StanzaCondition } from '../../policies/reasons.ts';
import { jidOf, uriInHeader, xmppUriOf } from './address.ts';

export type ErrorType = 'auth' | 'cancel' | 'continue' | 'modify' | 'wait';

/** What a stanza error says (RFC 6120 §8.3). */
export interface StanzaError {
  readonly condition: StanzaCondition;
  readonly type: ErrorType;
  /** '' where there is none. */
  readonly text: string;
  /** Where else to turn, an `xmpp:` URI: only of `gone` and `redirect`. */
  readonly newAddress?: string | undefined;
}

/** The error type that each condition goes with, RFC 6120 §8.3.3. */
const typeOf: Readonly<Record<StanzaCondition, ErrorType>> = {
  'bad-request': 'modify',
  conflict: 'cancel',
  'feature-not-implemented': 'cancel',
  forbidden: 'auth',
  gone: 'cancel',
  'internal-server-error': 'cancel',
  'item-not-found': 'cancel',
  'jid-malformed': 'modify',
  'not-acceptable': 'modify',
  'not-allowed': 'cancel',
  'not-authorized': 'auth',
  'policy-violation': 'modify',
  'recipient-unavailable': 'wait',
  redirect: 'modify',
  'registration-required': 'auth',
  'remote-server-not-found': 'cancel',
  'remote-server-timeout': 'wait',
  'resource-constraint': 'wait',
  'service-unavailable': 'cancel',
  'subscription-required': 'auth',
  'undefined-condition': 'cancel',
  'unexpected-request': 'wait',
};

/** RFC 7247 §7.2 table 3; then codes that are newer than it. */
const conditions: ReadonlyMap<number, StanzaCondition> = new Map<number, StanzaCondition>([
  [300, 'redirect'],
  [301, 'gone'],
  [302, 'redirect'],
  [305, 'redirect'],
  [380, 'not-acceptable'],
  [400, 'bad-request'],
  [401, 'not-authorized'],
  [402, 'bad-request'],
  [403, 'forbidden'],
  [404, 'item-not-found'],
  [405, 'feature-not-implemented'],
  [406, 'not-acceptable'],
  [407, 'registration-required'],
  [408, 'remote-server-timeout'],
  [410, 'gone'],
  [413, 'policy-violation'],
  [414, 'policy-violation'],
  [415, 'not-acceptable'],
  [416, 'not-acceptable'],
  [420, 'feature-not-implemented'],
  [421, 'not-acceptable'],
  [423, 'resource-constraint'],
  [430, 'recipient-unavailable'],
  [439, 'feature-not-implemented'],
  [440, 'policy-violation'],
  [480, 'recipient-unavailable'],
  [481, 'item-not-found'],
  [482, 'not-acceptable'],
  [483, 'not-acceptable'],
  [484, 'item-not-found'],
  [485, 'item-not-found'],
  [486, 'recipient-unavailable'],
  [487, 'recipient-unavailable'],
  [488, 'not-acceptable'],
  [489, 'policy-violation'],
  [491, 'unexpected-request'],
  [493, 'bad-request'],
  [500, 'internal-server-error'],
  [501, 'feature-not-implemented'],
  [502, 'remote-server-not-found'],
  [503, 'internal-server-error'],
  [504, 'remote-server-timeout'],
  [505, 'not-acceptable'],
  [513, 'policy-violation'],
  [600, 'recipient-unavailable'],
  [603, 'recipient-unavailable'],
  [604, 'item-not-found'],
  [606, 'not-acceptable'],
  // Identity, RFC 8224 §6.2.2.
  [428, 'policy-violation'],
  [436, 'policy-violation'],
  [437, 'policy-violation'],
  [438, 'policy-violation'],
  // Anonymity disallowed, RFC 5079.
  [433, 'policy-violation'],
  // Unwanted, RFC 8197; rejected, RFC 8688.
  [607, 'recipient-unavailable'],
  [608, 'recipient-unavailable'],
]);

/** The last rows of table 3, by the first digit of the status. */
const others: ReadonlyMap<number, StanzaCondition> = new Map<number, StanzaCondition>([
  [3, 'redirect'],
  [4, 'bad-request'],
  [5, 'internal-server-error'],
  [6, 'recipient-unavailable'],
]);

/**
 * The stanza error that says what a final SIP response said, 300–699 (RFC 7247 §7.2). `contact` is its
 * Contact as written, if any: a new address of the user is told (300, 301, 302), that of a proxy (305) is not.
 */
export function conditionOf(status: number, reasonPhrase = '', contact?: string): StanzaError {
  const condition = conditions.get(status) ?? others.get(Math.floor(status / 100)) ?? 'undefined-condition';
  // Too broad a search may be narrower the next time; nothing of the message need change.
  const type = status === 440 ? 'wait' : typeOf[condition];
  const text = oneLine(reasonPhrase);
  const jid = contact !== undefined && status >= 300 && status <= 302 ? jidOf(uriInHeader(contact)) : undefined;
  return { condition, type, text, ...(jid !== undefined && { newAddress: xmppUriOf(jid) }) };
}

export interface StatusOptions {
  /** Whether the error is about a bare JID: a whole user (6xx) and not one device of it (4xx). */
  readonly bare: boolean;
  /** What the error gives as another address. */
  readonly newAddress?: string | undefined;
  /** The type of the error: `unexpected-request` with `modify` is 400, else 491. */
  readonly type?: ErrorType | undefined;
}

/**
 * RFC 7247 §7.1 table 2, for a trunk: 401 and 407 would ask it for credentials that nobody has, so they are 403; and 503,
 * which would mark all of us as down, is never said.
 */
const statuses: Readonly<Record<StanzaCondition, number | readonly [full: number, bare: number]>> = {
  'bad-request': 400,
  conflict: 400,
  'feature-not-implemented': [405, 501],
  forbidden: [403, 603],
  gone: 410,
  'internal-server-error': 500,
  'item-not-found': [404, 604],
  'jid-malformed': 400,
  'not-acceptable': [406, 606],
  'not-allowed': 403,
  'not-authorized': 403,
  'policy-violation': 403,
  'recipient-unavailable': [480, 600],
  redirect: 302,
  'registration-required': 403,
  'remote-server-not-found': 404,
  'remote-server-timeout': 408,
  'resource-constraint': 500,
  'service-unavailable': 403,
  'subscription-required': 400,
  'undefined-condition': 400,
  'unexpected-request': 491,
};

/** The SIP status of a stanza error condition (RFC 7247 §7.1). */
export function statusOf(condition: StanzaCondition, { bare, newAddress, type }: StatusOptions): number {
  if (condition === 'gone' && newAddress !== undefined) return 301;
  if (condition === 'unexpected-request' && type === 'modify') return 400;
  const status = statuses[condition];
  return typeof status === 'number' ? status : status[bare ? 1 : 0];
}

/** Whether it is one of the defined conditions of RFC 6120 §8.3.3. */
export function isCondition(name: string): name is StanzaCondition {
  return Object.hasOwn(typeOf, name);
}

/** The type that goes with a condition where none is given. */
export function defaultType(condition: StanzaCondition): ErrorType {
  return typeOf[condition];
}

/** Characters of a reason phrase or error text that cross: a sentence. */
const LONGEST_TEXT = 200;

/** A text as one line without controls, cut to a sentence: as a reason phrase, a header value or an error text. */
export function oneLine(text: string, longest = LONGEST_TEXT): string {
  const line = text
    .toWellFormed()
    .replace(/[\p{Cc}\u2028\u2029\ufffe\uffff]+/gu, ' ')
    .trim();
  return line.length <= longest
    ? line
    : line
        .slice(0, longest)
        .replace(/[\ud800-\udbff]$/, '')
        .trimEnd();
}
