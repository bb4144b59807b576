import { isUtf8 } from 'node:buffer';
import { classes, HIGH, NAME, SPACE, SUSPECT, TEXT, VALUE } from './byte-class.ts';
import { malformed, restricted, StreamFault } from './stream-error.ts';
import { REFERENCE_LENGTH, resolveReference } from './xml.ts';

const LT = 0x3c;
const GT = 0x3e;
const AMP = 0x26;
const HASH = 0x23;
const SEMICOLON = 0x3b;
const BRACKET = 0x5d;
const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;

/**
 * Reads the characters between and within tags for the scanner. Each method takes a stretch of the buffer, goes on where
 * the last one ended, and returns where its terminator stands, or `end` where that has not come yet.
 */
export class CharacterData {
  /** Whether the current attribute value is ASCII that stands for itself. */
  plain = true;
  #quote = 0;
  /** Brackets in a row. */
  #brackets = 0;
  #inReference = false;
  #reference = '';
  /** Which bytes beyond ASCII the current item contains: {@link HIGH}, {@link SUSPECT}. */
  #beyond = 0;

  /** A new top-level item begins. */
  begin(): void {
    this.#beyond = 0;
    this.#inReference = false;
    this.#reference = '';
  }

  beginValue(quote: number): void {
    this.#quote = quote;
    this.plain = true;
  }

  beginText(): void {
    this.#brackets = 0;
  }

  /** Character data up to the next `<`. It must not contain `]]>` (XML 1.0 §2.4). */
  text(buffer: Buffer, from: number, end: number): number {
    let i = this.#inReference ? this.#referenced(buffer, from, end) : from;
    while (i < end) {
      if (this.#brackets === 0) {
        const passing = TEXT | this.#beyond;
        while ((classes[buffer[i] as number] as number) & passing) if (++i === end) return end;
      }
      const byte = buffer[i] as number;
      if (byte === LT) return i;
      i++;
      if (byte === BRACKET) this.#brackets++;
      else {
        if (byte === GT && this.#brackets >= 2) throw malformed();
        this.#brackets = 0;
        if (byte === AMP) i = this.#referenced(buffer, i, end);
        else this.#admit(byte);
      }
    }
    return end;
  }

  /** An attribute value up to its closing quote. */
  value(buffer: Buffer, from: number, end: number): number {
    let i = this.#inReference ? this.#referenced(buffer, from, end) : from;
    while (i < end) {
      const passing = this.plain ? VALUE : VALUE | this.#beyond;
      while ((classes[buffer[i] as number] as number) & passing) if (++i === end) return end;
      const byte = buffer[i] as number;
      if (byte === this.#quote) return i;
      i++;
      if (byte === SINGLE_QUOTE || byte === DOUBLE_QUOTE) continue;
      this.plain = false;
      if (byte === AMP) i = this.#referenced(buffer, i, end);
      else this.#admit(byte);
    }
    return end;
  }

  /** A CDATA section up to the `>` of its `]]>`. */
  cdata(buffer: Buffer, from: number, end: number): number {
    let i = from;
    while (i < end) {
      if (this.#brackets === 0) {
        const passing = TEXT | this.#beyond;
        while ((classes[buffer[i] as number] as number) & passing) if (++i === end) return end;
      }
      const byte = buffer[i] as number;
      if (byte === GT && this.#brackets >= 2) return i;
      i++;
      if (byte === BRACKET) this.#brackets++;
      else {
        this.#brackets = 0;
        if (byte !== LT && byte !== AMP) this.#admit(byte);
      }
    }
    return end;
  }

  /** Refuses a finished item whose bytes beyond ASCII are not characters of XML in UTF-8. */
  check(bytes: Buffer): void {
    if (this.#beyond === 0) return;
    if (!isUtf8(bytes)) throw new StreamFault('unsupported-encoding', 'xml-malformed', 'A character is not in UTF-8.');
    if (this.#beyond & SUSPECT && (bytes.includes('\ufffe') || bytes.includes('\uffff'))) throw malformed();
  }

  /** A byte that did not pass at once: the first of its kind beyond ASCII, white space in a value, a control character. */
  #admit(byte: number): void {
    const bits = classes[byte] as number;
    if (bits & (HIGH | SUSPECT)) this.#beyond |= bits;
    else if (!(bits & (TEXT | SPACE))) throw malformed();
  }

  /** Behind the `&` of a reference; returns where its `;` ends. */
  #referenced(buffer: Buffer, from: number, end: number): number {
    this.#inReference = true;
    for (let i = from; i < end; i++) {
      const byte = buffer[i] as number;
      if (byte === SEMICOLON) {
        this.#resolve();
        return i + 1;
      }
      if (!((classes[byte] as number) & NAME) && byte !== HASH) throw malformed();
      if (this.#reference.length === REFERENCE_LENGTH) {
        throw this.#reference.startsWith('#') ? malformed() : restricted('An entity.');
      }
      this.#reference += String.fromCharCode(byte);
    }
    return end;
  }

  #resolve(): void {
    const name = this.#reference;
    this.#inReference = false;
    this.#reference = '';
    if (resolveReference(name) !== undefined) return;
    throw /^[A-Za-z_][\w.-]*$/.test(name) ? restricted('An entity other than the predefined five.') : malformed();
  }
}
