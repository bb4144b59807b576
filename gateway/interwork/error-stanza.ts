import { jidOfXmppUri, type NumberOptions, uriOf } from './address.ts';
import { conditionOf, defaultType, type ErrorType, isCondition, oneLine, type StanzaError, statusOf } from './error.ts';
import {
  childrenOf,
  composeStanza,
  escapeText,
  escapeXml,
  ownChildren,
  readXml,
  type StanzaForm,
} from './stanza-xml.ts';

const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
/** The smallest limit on stanzas that RFC 6120 §13.12 allows anyone: an answer of this size is always taken. */
const LONGEST = 10_000;
const TYPES: ReadonlySet<string> = new Set<ErrorType>(['auth', 'cancel', 'continue', 'modify', 'wait']);

/** What a final SIP response says of a request. */
export interface Refusal {
  /** 300–699. */
  readonly status: number;
  readonly reason?: string | undefined;
  /** The Contact of a 3xx as written. */
  readonly contact?: string | undefined;
}

/**
 * The error that answers a stanza whose request SIP refused, addresses swapped and id mirrored (RFC 6120 §8.3.1, RFC 7247
 * §7.2). Undefined where none may be sent: to an error or result, to presence that asks nothing, or too long a one.
 */
export function errorStanza(stanza: StanzaForm, { status, reason, contact }: Refusal): StanzaForm | undefined {
  const { name, type } = stanza;
  if (type === 'error' || (name === 'iq' && type === 'result')) return undefined;
  if (name === 'presence' && type !== '' && type !== 'subscribe') return undefined;
  return writeError(stanza, conditionOf(status, reason, contact));
}

/** The error stanza that says this about a stanza; undefined where it would be too long to be taken. */
export function writeError({ name, from, to, id }: StanzaForm, error: StanzaError): StanzaForm | undefined {
  const { condition, type, text, newAddress } = error;
  const place = newAddress === undefined ? '/>' : `>${escapeText(newAddress)}</${condition}>`;
  const told = text === '' ? '' : `<text xmlns="${STANZAS}">${escapeText(text)}</text>`;
  const xml = `<error type="${escapeXml(type)}"><${condition} xmlns="${STANZAS}"${place}${told}</error>`;
  const reply = composeStanza(name, { from: to, to: from, type: 'error', id }, [xml]);
  return reply.bytes.length > LONGEST ? undefined : reply;
}

/** What the error of a stanza says, in its bytes; `undefined-condition` where it says nothing that is known. */
export function readError({ bytes }: Pick<StanzaForm, 'bytes'>): StanzaError {
  const root = readXml(bytes.toString());
  const [error] = root === undefined ? [] : ownChildren(root, 'error');
  const told = error === undefined ? [] : childrenOf(error, STANZAS);
  const element = told.find((child) => isCondition(child.getName()));
  const name = element?.getName() ?? '';
  const condition = isCondition(name) ? name : 'undefined-condition';
  const type = error?.attrs.type ?? '';
  const text = oneLine(told.find((child) => child.getName() === 'text')?.getText() ?? '');
  const elsewhere = condition === 'gone' || condition === 'redirect' ? (element?.getText().trim() ?? '') : '';
  return {
    condition,
    type: TYPES.has(type) ? (type as ErrorType) : defaultType(condition),
    text,
    ...(elsewhere !== '' && { newAddress: elsewhere }),
  };
}

export interface AnswerOptions extends NumberOptions {
  /** Whether the refused request was for a bare JID. */
  readonly bare: boolean;
  /** Whether the policy lets the other address be told: 301 and 302 with a Contact; else such an error is 410 or 480. */
  readonly redirects?: boolean | undefined;
}

/** The SIP answer for a stanza error (RFC 7247 §7.1): the status, the text as reason phrase, the new address as Contact. */
export function answerOf(
  { condition, type, text, newAddress }: StanzaError,
  { bare, redirects = false, numbersAt }: AnswerOptions,
): { readonly status: number; readonly reason?: string; readonly headers?: readonly (readonly [string, string])[] } {
  const jid = newAddress !== undefined && redirects ? jidOfXmppUri(newAddress) : undefined;
  const contact = jid === undefined ? undefined : uriOf(jid, { numbersAt });
  const mapped = statusOf(condition, { bare, type, newAddress: contact });
  // A 302 that names no one would be taken for a fault of ours.
  const status = mapped === 302 && contact === undefined ? 480 : mapped;
  const moved = contact !== undefined && (status === 301 || status === 302);
  return { status, ...(text !== '' && { reason: text }), ...(moved && { headers: [['Contact', `<${contact}>`]] }) };
}
