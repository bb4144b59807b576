import { malformed } from './malformed.ts';

/** The character classes of RFC 3261 §25.1, as bits of {@link isIn} and {@link runEnd}. */
export const classes = {
  token: 1,
  user: 2,
  password: 4,
  uriParam: 8,
  uriHeader: 16,
  host: 32,
  paramValue: 64,
  uri: 128,
};

/** The class bits of each ASCII character. */
const table = new Uint8Array(128);

const alphanumeric = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const unreserved = `${alphanumeric}-_.!~*'()`;
const visible = Array.from({ length: 94 }, (_, n) => String.fromCharCode(33 + n)).join('');
const members: Readonly<Record<keyof typeof classes, string>> = {
  token: `${alphanumeric}-.!%*_+\`'~`,
  // Phones send # unescaped in what was dialled.
  user: `${unreserved}&=+$,;?/#`,
  password: `${unreserved}&=+$,`,
  uriParam: `${unreserved}[]/:&+$`,
  uriHeader: `${unreserved}[]/?:+$&=`,
  // The underscore stands in no host name of DNS, but in many of PBXs.
  host: `${alphanumeric}-._`,
  // Wider than a token or a host: tags and branches of the field hold = @ / and the like.
  paramValue: without(visible, '"<>;,\\'),
  uri: without(visible, '"<>'),
};
for (const [name, characters] of Object.entries(members)) {
  for (const character of characters) {
    const code = character.charCodeAt(0);
    table[code] = (table[code] ?? 0) | classes[name as keyof typeof classes];
  }
}

export const code = {
  tab: 9,
  space: 32,
  quote: 34,
  percent: 37,
  comma: 44,
  slash: 47,
  colon: 58,
  semicolon: 59,
  less: 60,
  equal: 61,
  greater: 62,
  question: 63,
  bracket: 91,
  backslash: 92,
} as const;

/** Whether `text` is one or more characters of a class. */
export function isIn(text: string, mask: number): boolean {
  return text !== '' && runEnd(text, 0, mask) === text.length;
}

/** Where the run of characters of a class that starts at `at` ends. */
export function runEnd(text: string, at: number, mask: number): number {
  let end = at;
  for (; end < text.length; end++) {
    const character = text.charCodeAt(end);
    if (character > 127 || ((table[character] as number) & mask) === 0) break;
  }
  return end;
}

/** As {@link runEnd}, with whole escapes `%HH` among the characters. */
export function escapedRunEnd(text: string, at: number, mask: number): number {
  let end = at;
  for (;;) {
    end = runEnd(text, end, mask);
    if (text.charCodeAt(end) !== code.percent || !isHex(text, end + 1) || !isHex(text, end + 2)) return end;
    end += 3;
  }
}

/** The first character at or behind `at` that is no SP or HTAB. */
export function skipSpace(text: string, at: number): number {
  let end = at;
  for (; end < text.length; end++) {
    const character = text.charCodeAt(end);
    if (character !== code.space && character !== code.tab) break;
  }
  return end;
}

/** Without the SP and HTAB around it; other white space, such as U+00A0, is text. */
export function trimmed(text: string): string {
  const start = skipSpace(text, 0);
  let end = text.length;
  for (; end > start; end--) {
    const character = text.charCodeAt(end - 1);
    if (character !== code.space && character !== code.tab) break;
  }
  return end - start === text.length ? text : text.slice(start, end);
}

/** Behind the quoted string that opens at `at`. Throws `sip-malformed` where it never closes. */
export function quotedEnd(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end++) {
    const character = text.charCodeAt(end);
    if (character === code.quote) return end + 1;
    if (character === code.backslash) end++;
  }
  throw malformed('A quoted string never ends.');
}

/** What a quoted string says, its quotes and escapes taken away. */
export function unquoted(quoted: string): string {
  const inner = quoted.slice(1, -1);
  return inner.includes('\\') ? inner.replace(/\\(.)/gs, '$1') : inner;
}

/** A text as a quoted string (RFC 3261 §25.1). */
export function quotedText(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** The elements of a list, divided at the commas that stand in no quoted string and no `<>`; empty ones are kept. */
export function listElements(value: string): string[] {
  if (!value.includes(',')) return [value];
  const elements: string[] = [];
  let start = 0;
  let quoted = false;
  let bracketed = false;
  for (let at = 0; at < value.length; at++) {
    const character = value.charCodeAt(at);
    if (character === code.backslash) {
      if (quoted) at++;
    } else if (character === code.quote) {
      // Within <> a quote is no delimiter: no URI holds one.
      if (!bracketed) quoted = !quoted;
    } else if (quoted) {
    } else if (character === code.less) bracketed = true;
    else if (character === code.greater) bracketed = false;
    else if (character === code.comma && !bracketed) {
      elements.push(trimmed(value.slice(start, at)));
      start = at + 1;
    }
  }
  elements.push(trimmed(value.slice(start)));
  return elements;
}

/** A whole number of decimal digits up to `most`; undefined for anything else. Leading zeros do not matter. */
export function wholeNumber(text: string, most: number): number | undefined {
  if (text === '') return undefined;
  let number = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = number * 10 + digit;
    if (number > most) return undefined;
  }
  return number;
}

/** The text by itself: a part of a received message would keep all of that message in memory, for as long as it is kept. */
export function ownCopy(text: string): string {
  return Buffer.from(text).toString();
}

function isHex(text: string, at: number): boolean {
  const character = text.charCodeAt(at) | 32;
  return (character >= 48 && character <= 57) || (character >= 97 && character <= 102);
}

function without(characters: string, removed: string): string {
  return [...characters].filter((character) => !removed.includes(character)).join('');
}
