const TEXT = /[&<>\r]/g;
const ATTRIBUTE = /[&<>'"\t\n\r]/g;
/** Longest reference read, its `&` and `;` left out: `#x10FFFF` with room for leading zeros. */
export const REFERENCE_LENGTH = 12;
const REFERENCE = /&([^&;]{1,12});/g;

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};
const escaped = (character: string): string => escapes[character] ?? character;

/** Escapes character data between tags. */
export function escapeText(text: string): string {
  return text.replace(TEXT, escaped);
}

/** Escapes an attribute value for either quote, white space included so that normalisation leaves it alone. */
export function escapeAttribute(text: string): string {
  return text.replace(ATTRIBUTE, escaped);
}

const named: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Resolves the five predefined entities and character references; any other reference is undefined. */
export function resolveReference(name: string): string | undefined {
  if (!name.startsWith('#')) return named.get(name);
  const hex = name.startsWith('#x');
  const digits = name.slice(hex ? 2 : 1);
  if (name.length > REFERENCE_LENGTH || !(hex ? /^[0-9a-fA-F]+$/ : /^[0-9]+$/).test(digits)) return undefined;
  const point = Number.parseInt(digits, hex ? 16 : 10);
  return isXmlCharacter(point) ? String.fromCodePoint(point) : undefined;
}

/** Char of XML 1.0 §2.2. */
function isXmlCharacter(point: number): boolean {
  if (point < 0x20) return point === 0x9 || point === 0xa || point === 0xd;
  return point <= 0xd7ff || (point >= 0xe000 && point <= 0xfffd) || (point >= 0x10000 && point <= 0x10ffff);
}

/** Undoes escaping in text whose references are known to be good. */
export function unescapeXml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(REFERENCE, (whole, name: string) => resolveReference(name) ?? whole);
}

/** The value of an attribute as a parser reports it, from its spelling: white space normalised, then unescaped (XML 1.0 §3.3.3). */
export function attributeValue(spelling: string): string {
  return unescapeXml(spelling.replace(/\r\n|[\t\n\r]/g, ' '));
}
