import type { Content } from './content.ts';
import { type Cpim, cpimHeader, writeCpim } from './cpim.ts';
import { decodeUtf8 } from './percent.ts';
import { escapeXml, readXml } from './stanza-xml.ts';

/** Namespace of the CPIM headers, RFC 5438 §6. */
export const IMDN_HEADERS = 'urn:ietf:params:imdn';
export const IMDN_TYPE = 'message/imdn+xml';
const IMDN = 'urn:ietf:params:xml:ns:imdn';
/** Characters of a notification: a handful of short elements. */
const LONGEST = 8_192;
const LONGEST_ID = 200;
const MESSAGE_ID = /^[\x21-\x7e]+$/;
const DATE_TIME = /^[0-9A-Za-z:.+-]{1,64}$/;

/** What a SIP sender asked to be told of its message (RFC 5438 §6.2), and what the answer must repeat. */
export interface DispositionRequest {
  readonly messageId: string;
  /** RFC 3339, as the sender wrote it. */
  readonly dateTime: string;
  readonly delivered: boolean;
  readonly failed: boolean;
}

/** Reads what the CPIM headers of a message ask; undefined where they ask nothing that can be answered. */
export function readDispositionRequest(message: Cpim): DispositionRequest | undefined {
  const asked = (cpimHeader(message, 'Disposition-Notification', IMDN_HEADERS) ?? '')
    .split(',')
    .map((one) => one.trim());
  const messageId = cpimHeader(message, 'Message-ID', IMDN_HEADERS) ?? '';
  const dateTime = cpimHeader(message, 'DateTime') ?? '';
  if (messageId.length > LONGEST_ID || !MESSAGE_ID.test(messageId) || !DATE_TIME.test(dateTime)) return undefined;
  const delivered = asked.includes('positive-delivery');
  const failed = asked.includes('negative-delivery');
  return delivered || failed ? { messageId, dateTime, delivered, failed } : undefined;
}

const MARK = '.imdn-';

/**
 * A stanza id that carries such a request in itself: what comes back to the id answers the request, also after a restart.
 * `id` keeps it apart from the same message sent twice.
 */
export function markedId(id: string, { messageId, dateTime, delivered, failed }: DispositionRequest): string {
  const packed = `${delivered ? 'd' : ''}${failed ? 'f' : ''} ${dateTime} ${messageId}`;
  return `${id}${MARK}${Buffer.from(packed).toString('base64url')}`;
}

/** The request that a stanza id carries, undefined where it carries none. */
export function requestOf(id: string): DispositionRequest | undefined {
  const at = id.lastIndexOf(MARK);
  if (at < 0 || id.length > 1_023) return undefined;
  const packed = decodeUtf8(Buffer.from(id.slice(at + MARK.length), 'base64url')) ?? '';
  const [asked = '', dateTime = '', messageId = '', ...rest] = packed.split(' ');
  if (rest.length > 0 || !/^d?f?$/.test(asked) || !DATE_TIME.test(dateTime)) return undefined;
  if (messageId.length > LONGEST_ID || !MESSAGE_ID.test(messageId)) return undefined;
  return { messageId, dateTime, delivered: asked.includes('d'), failed: asked.includes('f') };
}

export interface Parties {
  /** SIP URIs. */
  readonly from: string;
  readonly to: string;
}

/** Wraps a text so that its delivery, or that it failed, is told (RFC 5438 §7.1.1). `dateTime`: now, RFC 3339. */
export function askDisposition(body: Content, { from, to }: Parties, messageId: string, dateTime: string): Content {
  return writeCpim({
    headers: [
      ['From', `<${from}>`],
      ['To', `<${to}>`],
      ['DateTime', dateTime],
      ['NS', `imdn <${IMDN_HEADERS}>`],
      ['imdn.Message-ID', messageId],
      ['imdn.Disposition-Notification', 'positive-delivery, negative-delivery'],
    ],
    body,
  });
}

/** The notification that answers a request (RFC 5438 §7.2.1.1): `from` is who had the message. */
export function writeNotification(
  request: DispositionRequest,
  status: 'delivered' | 'failed',
  { from, to }: Parties,
  { id, now }: { readonly id: string; readonly now: string },
): Content {
  const xml =
    `<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="${IMDN}"><message-id>${escapeXml(request.messageId)}</message-id>` +
    `<datetime>${escapeXml(request.dateTime)}</datetime><recipient-uri>${escapeXml(from)}</recipient-uri>` +
    `<delivery-notification><status><${status}/></status></delivery-notification></imdn>`;
  const headers: Cpim['headers'] = [
    ['From', `<${from}>`],
    ['To', `<${to}>`],
    ['DateTime', now],
    ['NS', `imdn <${IMDN_HEADERS}>`],
    ['imdn.Message-ID', id],
  ];
  const body = { type: IMDN_TYPE, content: Buffer.from(xml) };
  return writeCpim({ headers, body }, [['Content-Disposition', 'notification']]);
}

export interface Notification {
  /** The message it is about. */
  readonly messageId: string;
  /** `other`: displayed, processed, stored, or a status that tells nothing. */
  readonly status: 'delivered' | 'failed' | 'other';
}

/** Reads a notification; undefined where it is none. */
export function readNotification(content: Buffer): Notification | undefined {
  const text = content.length > LONGEST ? undefined : decodeUtf8(content);
  const root = text === undefined ? undefined : readXml(text);
  if (root === undefined || root.getName() !== 'imdn' || root.getNS() !== IMDN) return undefined;
  const messageId = root.getChildText('message-id', IMDN)?.trim() ?? '';
  if (messageId === '' || messageId.length > LONGEST_ID) return undefined;
  const told = root.getChild('delivery-notification', IMDN)?.getChild('status', IMDN);
  const failed = told?.getChild('failed', IMDN) ?? told?.getChild('error', IMDN);
  const delivered = told?.getChild('delivered', IMDN);
  return { messageId, status: delivered !== undefined ? 'delivered' : failed !== undefined ? 'failed' : 'other' };
}
