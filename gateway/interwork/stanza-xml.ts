import { type Element, parse } from 'ltx';

/** A stanza as the middle carries it; the same shape as `Stanza` of the bridge, which stands on a higher floor. */
export interface StanzaForm {
  readonly name: 'message' | 'presence' | 'iq';
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly id: string;
  readonly childNamespace: string;
  readonly childName: string;
  readonly children: number;
  readonly bytes: Buffer;
}

/** Content namespaces of the streams a stanza may come from (RFC 6120 §4.8.2); portable bytes name none. */
const CONTENT = new Set([undefined, 'jabber:server', 'jabber:client', 'jabber:component:accept']);
/** Characters parsed: above any stanza that limits let in, as the parser makes a tree of all of it. */
const LONGEST = 1_000_000;

/** Parses one element; undefined where it is no well-formed one. */
export function readXml(xml: string): Element | undefined {
  if (xml.length > LONGEST) return undefined;
  try {
    // The parser answers null where there is no whole element.
    return (parse(xml) as Element | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The child elements of a stanza's root that are the stanza's own, such as body and error. */
export function ownChildren(root: Element, name: string): Element[] {
  return root.getChildElements().filter((child) => child.name === name && CONTENT.has(child.getNS()));
}

/** The child elements of some namespace. */
export function childrenOf(root: Element, namespace: string): Element[] {
  return root.getChildElements().filter((child) => child.getNS() === namespace);
}

/** Namespace of a child, '' where it is that of the stanza. */
export function namespaceOf(child: Element): string {
  const namespace = child.getNS();
  return namespace === undefined || CONTENT.has(namespace) ? '' : namespace;
}

export interface Addressing {
  readonly from: string;
  readonly to: string;
  readonly type?: string | undefined;
  readonly id: string;
  readonly lang?: string | undefined;
}

/** A stanza from its parts; each of `content` is an element as XML ready to write. */
export function composeStanza(
  name: StanzaForm['name'],
  addressing: Addressing,
  content: readonly string[],
): StanzaForm {
  const { from, to, type = '', id, lang = '' } = addressing;
  const attributes =
    attribute('from', from) +
    attribute('to', to) +
    attribute('type', type) +
    attribute('id', id) +
    attribute('xml:lang', lang);
  const [first = ''] = content;
  const xml = first === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content.join('')}</${name}>`;
  return {
    name,
    from,
    to,
    type,
    id,
    ...rootOf(first),
    children: content.length,
    bytes: Buffer.from(xml),
  };
}

/** What an element that we wrote is called; its namespace stands first, where it has one. */
function rootOf(xml: string): { readonly childName: string; readonly childNamespace: string } {
  let end = 1;
  while (/[A-Za-z]/.test(xml.charAt(end))) end++;
  const from = end + ' xmlns="'.length;
  const named = xml.startsWith(' xmlns="', end);
  return { childName: xml.slice(1, end), childNamespace: named ? xml.slice(from, xml.indexOf('"', from)) : '' };
}

function attribute(name: string, value: string): string {
  return value === '' ? '' : ` ${name}="${escapeXml(value)}"`;
}

/** Of ASCII what needs no thought: as an attribute, between tags, and at all. */
const PLAIN_VALUE = /^[ !#-%(-;=?-~]*$/;
const PLAIN_TEXT = /^[\t\n -%'-;=?-~]*$/;
const PLAIN = /^[\t\n\r -~]*$/;

const escapes: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&apos;'],
]);

/** Text as XML, for an attribute or between tags; parsers would change white space left bare (XML 1.0 §2.11, §3.3.3). */
export function escapeXml(text: string): string {
  if (PLAIN_VALUE.test(text)) return text;
  return xmlCharacters(text).replace(
    /[&<>"'\t\r\n]/g,
    (character) => escapes.get(character) ?? `&#${character.charCodeAt(0)};`,
  );
}

/** Text between tags, its line feeds left as they are. */
export function escapeText(text: string): string {
  if (PLAIN_TEXT.test(text)) return text;
  return xmlCharacters(text).replace(/[&<>\r]/g, (character) => escapes.get(character) ?? '&#13;');
}

/** The text without what XML 1.0 §2.2 has no room for: most controls, lone surrogates, two noncharacters. */
export function xmlCharacters(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '');
}
