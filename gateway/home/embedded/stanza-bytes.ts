import { type ReasonCode, reasons } from '../../../policies/reasons.ts';
import type { Stanza, StanzaName } from '../../bridge/stanza.ts';
import { attributesOf, endOfName, endOfStartTag } from '../../xmpp/start-tag-bytes.ts';
import { attributeValue, escapeAttribute } from '../../xmpp/xml.ts';
import { im } from './im-namespaces.ts';

const LT = 0x3c;
const SLASH = 0x2f;
/** What an answer may repeat of an id or an address before it might break a stream (RFC 6120 §13.12). */
const LONGEST_ERROR = 10_000;

/** The addressing of a stanza; '' leaves an attribute out. */
export type Addressing = Pick<Stanza, 'from' | 'to' | 'type' | 'id'>;

/**
 * Builds a stanza from its parts; `content` is XML ready to write, of any number of elements, `prefixes` what it needs
 * declared on the root.
 */
export function compose(name: StanzaName, addressing: Addressing, content = '', prefixes = ''): Stanza {
  const attributes = written(addressing) + prefixes;
  const xml = content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`;
  return {
    name,
    ...addressing,
    childNamespace: '',
    childName: '',
    children: content === '' ? 0 : 1,
    bytes: Buffer.from(xml),
  };
}

/** A presence without content. */
export function presence(type: string, from: string, to: string): Stanza {
  return compose('presence', { from, to, type, id: '' });
}

/** The result of an IQ request, RFC 6120 §8.2.3. */
export function resultOf({ from, to, id }: Stanza, content = '', prefixes = ''): Stanza {
  return compose('iq', { from: to, to: from, type: 'result', id }, content, prefixes);
}

/**
 * The error that answers a stanza (RFC 6120 §8.3.1); undefined where none may be sent: to an error or a result, and to
 * presence other than such as asks for something.
 */
export function errorOf({ name, from, to, type, id }: Stanza, reason: ReasonCode): Stanza | undefined {
  if (type === 'error' || (name === 'iq' && type === 'result')) return undefined;
  if (name === 'presence' && type !== '' && type !== 'subscribe') return undefined;
  const { xmpp, type: errorType } = reasons[reason];
  const content = `<error type="${errorType}"><${xmpp} xmlns="${im.stanzaErrors}"/></error>`;
  const reply = compose(name, { from: to, to: from, type: 'error', id }, content);
  return reply.bytes.length > LONGEST_ERROR ? undefined : reply;
}

/** The stanza as an element of its own within another, where its namespace must be said (RFC 6120 §4.8.3). */
export function embedded({ bytes }: Stanza): string {
  const nameEnd = endOfName(bytes);
  return `${bytes.toString('utf8', 0, nameEnd)} xmlns="${im.client}"${bytes.toString('utf8', nameEnd)}`;
}

/** The stanza with one more element behind its content. */
export function withChild(stanza: Stanza, xml: string): Stanza {
  const { bytes, name } = stanza;
  const empty = bytes.at(-2) === SLASH && endOfStartTag(bytes) === bytes.length;
  const parts = empty
    ? [bytes.subarray(0, -2), Buffer.from(`>${xml}</${name}>`)]
    : [bytes.subarray(0, bytes.lastIndexOf(LT)), Buffer.from(xml), bytes.subarray(bytes.lastIndexOf(LT))];
  return { ...stanza, children: stanza.children + 1, bytes: Buffer.concat(parts) };
}

/** What stands in the root of a stanza, with the prefixes that the root declares, ready to stand in another root. */
export function contentOf({ bytes }: Stanza): { readonly prefixes: string; readonly xml: string } {
  const contentStart = endOfStartTag(bytes);
  const prefixes = [...attributesOf(bytes)]
    .filter(({ name }) => name.startsWith('xmlns:'))
    .map(({ start, end }) => ` ${bytes.toString('utf8', start, end)}`);
  const xml = contentStart === bytes.length ? '' : bytes.toString('utf8', contentStart, bytes.lastIndexOf(LT));
  return { prefixes: prefixes.join(''), xml };
}

/** Reads the addressing back from bytes that were kept; nothing is known of the children. */
export function stanzaOf(bytes: Buffer): Stanza {
  const values = new Map<string, string>();
  for (const { name, valueStart, valueEnd } of attributesOf(bytes)) {
    values.set(name, bytes.toString('utf8', valueStart, valueEnd));
  }
  const read = (name: string): string => attributeValue(values.get(name) ?? '');
  return {
    name: bytes.toString('latin1', 1, endOfName(bytes)) as StanzaName,
    from: read('from'),
    to: read('to'),
    type: read('type'),
    id: read('id'),
    childNamespace: '',
    childName: '',
    children: 0,
    bytes,
  };
}

function written({ from, to, type, id }: Addressing): string {
  return Object.entries({ from, to, type, id })
    .filter(([, value]) => value !== '')
    .map(([key, value]) => ` ${key}="${escapeAttribute(value)}"`)
    .join('');
}
