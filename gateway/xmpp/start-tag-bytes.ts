const SPACE = 0x20;
const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;

/** One attribute of a start tag, by where it stands: offsets in bytes from where the element begins. */
export interface AttributeSpan {
  readonly name: string;
  /** Where the white space before it begins. */
  readonly before: number;
  readonly start: number;
  /** Its value is what is between: `valueStart` is behind the quote, `valueEnd` before the next. */
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Behind its closing quote. */
  readonly end: number;
}

/** Where the name of an element ends in its bytes: whatever is inserted there stands first in its start tag. */
export function endOfName(bytes: Buffer): number {
  let i = 1;
  while (i < bytes.length && !isDelimiter(bytes[i] as number)) i++;
  return i;
}

/** Where the content of an element begins: behind its start tag; the end of what there is where that is cut off. */
export function endOfStartTag(bytes: Buffer): number {
  let quote = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (quote !== 0) {
      if (byte === quote) quote = 0;
    } else if (byte === SINGLE_QUOTE || byte === DOUBLE_QUOTE) quote = byte;
    else if (byte === GT) return i + 1;
  }
  return bytes.length;
}

/** The text of an element that has no child, as it is spelt; up to the first child where there is one. */
export function textOf(bytes: Buffer): string {
  const start = endOfStartTag(bytes);
  const end = bytes.indexOf(LT, start);
  return end < 0 ? '' : bytes.toString('utf8', start, end);
}

/**
 * The attributes of the well-formed start tag that an element begins with; those before the cut where it is cut off.
 * One pass, whatever the tag is made of: its sender is anyone.
 */
export function* attributesOf(bytes: Buffer): Generator<AttributeSpan> {
  let before = endOfName(bytes);
  for (;;) {
    const start = skipSpace(bytes, before);
    const byte = bytes[start];
    if (byte === undefined || byte === GT || byte === SLASH) return;
    const equals = bytes.indexOf(EQUALS, start);
    const quote = equals < 0 ? undefined : skipSpace(bytes, equals + 1);
    const mark = quote === undefined ? undefined : bytes[quote];
    if (quote === undefined || mark === undefined) return;
    const valueEnd = bytes.indexOf(mark, quote + 1);
    if (valueEnd < 0) return;
    const name = bytes.toString('latin1', start, equals).trimEnd();
    yield { name, before, start, valueStart: quote + 1, valueEnd, end: valueEnd + 1 };
    before = valueEnd + 1;
  }
}

function isDelimiter(byte: number): boolean {
  return byte <= SPACE || byte === GT || byte === SLASH;
}

function skipSpace(bytes: Buffer, from: number): number {
  let i = from;
  while ((bytes[i] as number) <= SPACE) i++;
  return i;
}
