const TEXT = /[&<>]/g;
const ATTRIBUTE = /[&<>'"\t\n\r]/g;

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
const escape = (character: string): string => escapes[character] ?? character;

/** Escapes character data between tags. */
export function escapeText(text: string): string {
  return text.replace(TEXT, escape);
}

/** Escapes an attribute value for either quote, white space included so that normalisation leaves it alone. */
export function escapeAttribute(text: string): string {
  return text.replace(ATTRIBUTE, escape);
}

const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** Resolves the five predefined entities and character references; any other reference is undefined. */
export function resolveReference(name: string): string | undefined {
  if (name.charCodeAt(0) !== 0x23) return named[name];
  const hex = name.charCodeAt(1) === 0x78;
  const digits = name.slice(hex ? 2 : 1);
  if (!(hex ? /^[0-9a-fA-F]{1,6}$/ : /^[0-9]{1,7}$/).test(digits)) return undefined;
  const point = Number.parseInt(digits, hex ? 16 : 10);
  return isXmlCharacter(point) ? String.fromCodePoint(point) : undefined;
}

/** Char of XML 1.0 §2.2. */
function isXmlCharacter(point: number): boolean {
  if (point < 0x20) return point === 0x9 || point === 0xa || point === 0xd;
  return point <= 0xd7ff || (point >= 0xe000 && point <= 0xfffd) || (point >= 0x10000 && point <= 0x10ffff);
}

/** Undoes escaping in an attribute value or text whose references are known to be good. */
export function unescapeXml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;]{1,10});/g, (whole, name: string) => resolveReference(name) ?? whole);
}
