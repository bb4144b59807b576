import { malformed, StreamFault } from './stream-error.ts';
import { spells, type Vocabulary } from './vocabulary.ts';
import { attributeValue } from './xml.ts';

/** What an attribute is, as far as framing and routing care. */
export const OTHER = 0;
export const PREFIXED = 1;
export const TO = 2;
export const FROM = 3;
export const ID = 4;
export const TYPE = 5;
export const LANG = 6;
export const XMLNS = 7;

/** Per attribute: kind, start and end of its name, start and end of its value, whether the value stands for itself. */
const WIDTH = 6;

/**
 * The attributes of the start tag that is being scanned, as offsets into the item they belong to: an item may move
 * between buffers while it grows. `item` below is where the item starts in the buffer.
 */
export class TagAttributes {
  count = 0;
  /** Whether any has a prefix other than that of `xml:lang`. */
  prefixed = false;
  /** The default namespace declaration among them, -1 where there is none. */
  xmlns = -1;
  readonly #limit: number;
  readonly #marks: Int32Array;
  readonly #vocabulary: Vocabulary;
  /** The kinds seen, as bits. */
  #kinds = 0;

  constructor(limit: number, vocabulary: Vocabulary) {
    this.#limit = limit;
    this.#vocabulary = vocabulary;
    this.#marks = new Int32Array(limit * WIDTH);
  }

  clear(): void {
    this.count = 0;
    this.prefixed = false;
    this.xmlns = -1;
    this.#kinds = 0;
  }

  /** The name of one more attribute has ended. */
  name(buffer: Buffer, item: number, start: number, end: number, colon: boolean): void {
    if (this.count >= this.#limit) {
      throw new StreamFault('policy-violation', 'xml-restricted', `More than ${this.#limit} attributes on one tag.`);
    }
    const kind = kindOf(buffer, item + start, end - start, colon);
    const at = this.count * WIDTH;
    this.#marks[at] = kind;
    this.#marks[at + 1] = start;
    this.#marks[at + 2] = end;
    if (kind <= PREFIXED) {
      if (colon) this.prefixed = true;
      this.#requireUnique(buffer, item);
    } else {
      if (this.#kinds & (1 << kind)) throw duplicate();
      this.#kinds |= 1 << kind;
      if (kind === XMLNS) this.xmlns = this.count;
    }
  }

  /** The value of that attribute has ended; `plain` says that its bytes are ASCII and stand for themselves. */
  value(start: number, end: number, plain: boolean): void {
    const at = this.count++ * WIDTH;
    this.#marks[at + 3] = start;
    this.#marks[at + 4] = end;
    this.#marks[at + 5] = plain ? 1 : 0;
  }

  kindOf(n: number): number {
    return this.#marks[n * WIDTH] as number;
  }

  nameOf(n: number, buffer: Buffer, item: number): string {
    const at = n * WIDTH;
    return this.#vocabulary.read(
      buffer,
      item + (this.#marks[at + 1] as number),
      item + (this.#marks[at + 2] as number),
    );
  }

  valueOf(n: number, buffer: Buffer, item: number): string {
    const at = n * WIDTH;
    const start = item + (this.#marks[at + 3] as number);
    const end = item + (this.#marks[at + 4] as number);
    if (this.#marks[at + 5] === 0) return attributeValue(buffer.toString('utf8', start, end));
    return (this.#marks[at] as number) >= TYPE
      ? this.#vocabulary.read(buffer, start, end)
      : buffer.toString('latin1', start, end);
  }

  /**
   * The value of a namespace declaration. Servers built on expat separate namespace and name by a control character, and
   * break off where a namespace contains one.
   */
  namespaceOf(n: number, buffer: Buffer, item: number): string {
    const uri = this.valueOf(n, buffer, item);
    const plain = this.#marks[n * WIDTH + 5] === 1;
    if (!plain && /[\0-\x1f]/.test(uri)) throw malformed('A namespace name with a control character.');
    return uri;
  }

  /** '' where it is absent. */
  valueNamed(name: string, buffer: Buffer, item: number): string {
    for (let n = 0; n < this.count; n++)
      if (this.nameOf(n, buffer, item) === name) return this.valueOf(n, buffer, item);
    return '';
  }

  /** Where an attribute starts, and where it ends behind its closing quote. */
  spanOf(n: number): readonly [start: number, end: number] {
    return [this.#marks[n * WIDTH + 1] as number, (this.#marks[n * WIDTH + 4] as number) + 1];
  }

  #requireUnique(buffer: Buffer, item: number): void {
    const last = this.count * WIDTH;
    const start = item + (this.#marks[last + 1] as number);
    const length = item + (this.#marks[last + 2] as number) - start;
    for (let at = 0; at < last; at += WIDTH) {
      const other = item + (this.#marks[at + 1] as number);
      if (item + (this.#marks[at + 2] as number) - other !== length) continue;
      let k = 0;
      while (k < length && buffer[start + k] === buffer[other + k]) k++;
      if (k === length) throw duplicate();
    }
  }
}

export function duplicate(): StreamFault {
  return malformed('An attribute stands twice on one tag.');
}

function kindOf(buffer: Buffer, at: number, length: number, colon: boolean): number {
  if (length === 8 && colon && spells(buffer, at, 'xml:lang')) return LANG;
  if (colon) return PREFIXED;
  if (length === 2) return spells(buffer, at, 'to') ? TO : spells(buffer, at, 'id') ? ID : OTHER;
  if (length === 4) return spells(buffer, at, 'from') ? FROM : spells(buffer, at, 'type') ? TYPE : OTHER;
  return length === 5 && spells(buffer, at, 'xmlns') ? XMLNS : OTHER;
}
