import type { Element } from 'ltx';
import { type ReasonCode, reasons } from '../../policies/reasons.ts';
import { jidOf, type NumberOptions, strayGruu, uriOf } from './address.ts';
import { ACCEPTED, type Content, readContent, type SplitParts } from './content.ts';
import { CPIM_TYPE, cpimHeader, cpimText, readCpim } from './cpim.ts';
import { conditionOf, oneLine, type StanzaError } from './error.ts';
import { writeError } from './error-stanza.ts';
import {
  askDisposition,
  IMDN_TYPE,
  markedId,
  readDispositionRequest,
  readNotification,
  requestOf,
  writeNotification,
} from './imdn.ts';
import { chooseText, languageTag } from './language.ts';
import { mediaTypeOf } from './media-type.ts';
import {
  childrenOf,
  composeStanza,
  escapeText,
  escapeXml,
  namespaceOf,
  readXml,
  type StanzaForm,
} from './stanza-xml.ts';
import { fromToken, toToken } from './token.ts';

/** A MESSAGE to send; the same shape as `OutRequest` of the SIP seam. */
export interface PageRequest {
  readonly method: 'MESSAGE';
  readonly target: string;
  readonly from: { readonly uri: string };
  readonly to: { readonly uri: string };
  readonly callId?: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Content;
}

export interface ToMessageOptions extends NumberOptions {
  /** Bytes of the whole request on the wire, as near as can be told before it is sent. */
  readonly size: (request: PageRequest) => number;
  /** Bytes that a MESSAGE may have: 1300 where left out (RFC 3428 §8). */
  readonly limit?: number | undefined;
  /** Languages that the partner would rather read, the best first. */
  readonly languages?: readonly string[] | undefined;
  /** Present where the partner answers IMDN: receipts are asked for and given. `now`: this moment, RFC 3339. */
  readonly receipts?: { readonly now: string } | undefined;
}

export type ToMessage =
  | { readonly ok: true; readonly request: PageRequest }
  /** Chat states, receipts and the like: the sender expects no answer. */
  | { readonly ok: false; readonly nothing: true }
  | ({ readonly ok: false; readonly nothing: false; readonly reason: ReasonCode } & StanzaError);

/** RFC 3428 §8: what fits a datagram, as nobody knows the transports further on. */
const PAGE_BYTES = 1_300;
const RECEIPTS = 'urn:xmpp:receipts';
/** Children that say nothing by themselves, or what nobody waits for: a message of these alone is not missed. */
const QUIET = new Set([
  RECEIPTS,
  'http://jabber.org/protocol/chatstates',
  'http://jabber.org/protocol/nick',
  'http://jabber.org/protocol/pubsub#event',
  'jabber:x:delay',
  'jabber:x:event',
  'urn:drawbridge:loop:1',
  'urn:xmpp:chat-markers:0',
  'urn:xmpp:delay',
  'urn:xmpp:hints',
  'urn:xmpp:sid:0',
]);
const NOTHING: ToMessage = { ok: false, nothing: true };

/**
 * A message stanza as a SIP MESSAGE (RFC 7572 §4 table 1). The thread becomes the Call-ID, written so that it can be read
 * back; of several languages one is sent. Refused, so that the sender learns of it: group chat, messages whose content is
 * no text, and what would make a request above the limit (§6).
 */
export function toMessage(stanza: StanzaForm, options: ToMessageOptions): ToMessage {
  if (stanza.type === 'error') return NOTHING;
  if (stanza.type === 'groupchat') return refused('groupchat-not-carried');
  const root = readXml(stanza.bytes.toString());
  if (root === undefined) return refused('stanza-malformed');
  const body = chooseText(root, 'body', options.languages ?? []);
  if (body === undefined) return withoutText(stanza, root, options);

  const subject = chooseText(root, 'subject', [body.lang, ...(options.languages ?? [])])?.text ?? '';
  const thread = root.getChildText('thread')?.trim() ?? '';
  const headers = [
    ['Subject', oneLine(subject, subject.length)] as const,
    ['Content-Language', body.lang] as const,
  ].filter(([, value]) => value !== '');
  const content = { type: 'text/plain;charset=utf-8', content: Buffer.from(body.text.replace(/\r\n?|\n/g, '\r\n')) };
  const plain = page(stanza, content, { ...options, headers, thread });
  const asked = stanza.id !== '' && childrenOf(root, RECEIPTS).some((child) => child.getName() === 'request');
  if (options.receipts === undefined || !asked || !plain.ok) return plain;

  const parties = { from: plain.request.from.uri, to: plain.request.to.uri };
  const wrapped = askDisposition(content, parties, toToken(stanza.id), options.receipts.now);
  const withReceipt = page(stanza, wrapped, { ...options, headers, thread });
  // Better a message without its receipt than none.
  return withReceipt.ok ? withReceipt : plain;
}

/**
 * The notification that a message from SIP failed behind us, where its sender asked for such: for an error stanza that
 * comes when the request is long answered.
 */
export function toFailureNotice(error: StanzaForm, options: ToMessageOptions): ToMessage {
  const asked = requestOf(error.id);
  return asked?.failed ? notification(error, asked, 'failed', options) : NOTHING;
}

function withoutText(stanza: StanzaForm, root: Element, options: ToMessageOptions): ToMessage {
  const received = childrenOf(root, RECEIPTS).find((child) => child.getName() === 'received');
  const asked = requestOf(received?.attrs.id ?? '');
  if (asked?.delivered) return notification(stanza, asked, 'delivered', options);
  const loud = root.getChildElements().some((child) => {
    const namespace = namespaceOf(child);
    return namespace === '' ? child.name !== 'thread' && child.getText().trim() !== '' : !QUIET.has(namespace);
  });
  return loud ? refused('page-without-text') : NOTHING;
}

function notification(
  stanza: StanzaForm,
  asked: NonNullable<ReturnType<typeof requestOf>>,
  status: 'delivered' | 'failed',
  options: ToMessageOptions,
): ToMessage {
  const [from, to] = [uriOf(stanza.from, options), uriOf(stanza.to, options)];
  if (options.receipts === undefined || from === undefined || to === undefined) return NOTHING;
  const id = toToken(`${status}-${asked.messageId}`);
  const content = writeNotification(asked, status, { from, to }, { id, now: options.receipts.now });
  const outcome = page(stanza, content, { ...options, headers: [], thread: '' });
  return outcome.ok ? outcome : NOTHING;
}

function page(
  stanza: StanzaForm,
  body: Content,
  {
    headers,
    thread,
    size,
    limit = PAGE_BYTES,
    numbersAt,
  }: ToMessageOptions & { readonly headers: PageRequest['headers']; readonly thread: string },
): ToMessage {
  const [from, to] = [uriOf(stanza.from, { numbersAt }), uriOf(stanza.to, { numbersAt })];
  if (from === undefined || to === undefined) return refused('sip-address-none');
  const request: PageRequest = {
    method: 'MESSAGE',
    target: to,
    from: { uri: from },
    to: { uri: to },
    ...(thread !== '' && { callId: toToken(thread) }),
    headers,
    body,
  };
  return size(request) > limit ? refused('page-too-long') : { ok: true, request };
}

function refused(reason: ReasonCode): ToMessage {
  const { xmpp: condition, type, operator: text } = reasons[reason];
  return { ok: false, nothing: false, reason, condition, type, text };
}

/** A MESSAGE that came; what `InRequest` of the SIP seam has of it. */
export interface PageReceived {
  /** The Request-URI. */
  readonly target: string;
  readonly from: { readonly uri: string };
  readonly to: { readonly uri: string };
  readonly callId: string;
  readonly headers: { get(name: string): string | undefined };
  readonly body?: Content | undefined;
}

export interface ToStanzaOptions extends NumberOptions {
  /** Splits multipart bodies, which are refused without it. */
  readonly parts?: SplitParts | undefined;
  /** Whether receipts are asked and given by IMDN: see {@link ToMessageOptions.receipts}. */
  readonly receipts?: boolean | undefined;
  /** Whether an agreement of both sides lets `sips:` cross (RFC 7247 §8). */
  readonly sips?: boolean | undefined;
}

/** A final response; the same shape as `Answer` of the SIP seam. */
export interface PageAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

export type ToStanza =
  | { readonly ok: true; readonly stanza: StanzaForm }
  /** The answer is 200 where there is nothing to carry, else what refuses. */
  | { readonly ok: false; readonly answer: PageAnswer };

/**
 * A SIP MESSAGE as a message stanza of no type (RFC 7572 §5 table 2). `id` becomes its id, followed by what a later receipt
 * needs to know where the sender asks for one. Expires and Date are left aside: it is delivered now or refused.
 */
export function toStanza(request: PageReceived, id: string, options: ToStanzaOptions = {}): ToStanza {
  if (options.sips !== true && [request.target, request.to.uri].some((uri) => /^sips:/i.test(uri))) return SIPS;
  if (!/^(?:sips?|tel|im|pres):/i.test(request.target)) return answer(416, 'Unsupported URI Scheme');
  const { numbersAt } = options;
  const to = jidOf(request.target, { numbersAt });
  const from = jidOf(request.from.uri, { numbersAt, gr: strayGruu(request.headers.get('From') ?? '') });
  if (to === undefined) return answer(404, 'No Such Address');
  if (from === undefined) return answer(400, 'Bad From');
  const encoding = request.headers.get('Content-Encoding')?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity') return answer(415, 'Unsupported Encoding', [['Accept-Encoding', 'identity']]);
  const body = request.body;
  if (body === undefined || body.content.length === 0) return answer(400, 'Empty Body');

  const cpim = mediaTypeOf(body.type).name === CPIM_TYPE ? readCpim(body.content) : undefined;
  if (cpim === undefined && mediaTypeOf(body.type).name === CPIM_TYPE) return answer(400, 'Malformed CPIM');
  const content = cpim?.body ?? body;
  if (options.receipts === true && mediaTypeOf(content.type).name === IMDN_TYPE) return told(content, { from, to }, id);

  const read = readContent(content, options.parts);
  if (!read.ok) return answer(read.status, read.reason, read.status === 415 ? [['Accept', ACCEPTED]] : []);
  const asked = options.receipts === true && cpim !== undefined ? readDispositionRequest(cpim) : undefined;
  const subject = request.headers.get('Subject') ?? cpimText((cpim && cpimHeader(cpim, 'Subject')) ?? '');
  const addressing = {
    from,
    to,
    id: asked === undefined ? id : markedId(id, asked),
    lang: languageTag(request.headers.get('Content-Language')),
  };
  const elements = [
    subject.trim() === '' ? '' : `<subject>${escapeText(oneLine(subject, LONGEST_SUBJECT))}</subject>`,
    `<body>${escapeText(read.text)}</body>`,
    request.callId === '' ? '' : `<thread>${escapeText(fromToken(request.callId))}</thread>`,
    asked?.delivered ? `<request xmlns="${RECEIPTS}"/>` : '',
  ].filter((element) => element !== '');
  return { ok: true, stanza: composeStanza('message', addressing, elements) };
}

/** Characters of a subject: one line of a list. */
const LONGEST_SUBJECT = 1_000;
/** RFC 7247 §8, RFC 5630 §5. */
const SIPS = answer(480, 'SIPS Not Allowed', [['Warning', '380 drawbridge "SIPS Not Allowed"']]);

/** What an IMDN tells the one who asked for it: a receipt, or the error that takes its place. */
function told(content: Content, { from, to }: { readonly from: string; readonly to: string }, id: string): ToStanza {
  const said = readNotification(content.content);
  if (said === undefined) return answer(400, 'Malformed Notification');
  if (said.status === 'other') return answer(200, 'OK');
  const about = fromToken(said.messageId);
  if (said.status === 'delivered') {
    const received = `<received xmlns="${RECEIPTS}" id="${escapeXml(about)}"/>`;
    return { ok: true, stanza: composeStanza('message', { from, to, id }, [received]) };
  }
  const failed = composeStanza('message', { from: to, to: from, id: about }, []);
  const stanza = writeError(failed, conditionOf(480, 'The message could not be delivered.'));
  return stanza === undefined ? answer(200, 'OK') : { ok: true, stanza };
}

function answer(
  status: number,
  reason: string,
  headers: PageAnswer['headers'] = [],
): { ok: false; answer: PageAnswer } {
  return { ok: false, answer: { status, reason, ...(headers.length > 0 && { headers }) } };
}
