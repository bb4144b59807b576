import { type ReasonCode, reasons } from '../../policies/reasons.ts';
import type { Stanza } from './stanza.ts';

/** The smallest limit on stanzas that RFC 6120 §13.12 allows anyone: an answer of this size is always taken. */
const LONGEST = 10_000;
const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/**
 * The error that answers a stanza, addresses swapped and id mirrored (RFC 6120 §8.3.1). Undefined where none may be
 * sent: never an error for an error, none for what expects no answer, and none that would have to repeat an id or
 * addresses so long that the answer itself might break a stream. It says the standard's condition and no more.
 */
export function errorReply(stanza: Stanza, reason: ReasonCode): Stanza | undefined {
  const { name, type } = stanza;
  if (type === 'error' || (name === 'iq' && type === 'result')) return undefined;
  if (name === 'presence' && type !== '' && type !== 'subscribe') return undefined;
  const { xmpp, type: errorType } = reasons[reason];
  const error = `<error type="${errorType}"><${xmpp} xmlns="${STANZAS}"/></error>`;
  const reply = compose(name, { from: stanza.to, to: stanza.from, type: 'error', id: stanza.id }, error);
  return reply.bytes.length > LONGEST ? undefined : reply;
}

/** A presence of our own making, e.g. the `unsubscribed` that answers for a user who is not shown. */
export function presence(from: string, to: string, type: string, id = ''): Stanza {
  return compose('presence', { from, to, type, id }, '');
}

/** Builds a stanza from its parts; `content` is XML ready to write. */
export function compose(
  name: Stanza['name'],
  { from, to, type, id }: Pick<Stanza, 'from' | 'to' | 'type' | 'id'>,
  content: string,
): Stanza {
  const attributes = Object.entries({ from, to, type, id })
    .filter(([, value]) => value !== '')
    .map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
    .join('');
  const xml = content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`;
  return {
    name,
    from,
    to,
    type,
    id,
    childNamespace: '',
    childName: '',
    children: content === '' ? 0 : 1,
    bytes: Buffer.from(xml),
  };
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes text for an attribute or between tags; white space too, as parsers would change it (XML 1.0 §2.11, §3.3.3). */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"\t\n\r]/g, (character) => escapes[character] ?? `&#${character.charCodeAt(0)};`);
}
