import { classes, NAME, NAME_START, SPACE } from './byte-class.ts';
import type { CharacterData } from './character-data.ts';
import { malformed } from './stream-error.ts';
import type { TagAttributes } from './tag-attributes.ts';

// Where the tag is, in order.
const IN_NAME = 0;
const DELIMITER = 1;
const BETWEEN = 2;
const ATTRIBUTE = 3;
const EQUALS = 4;
const QUOTE = 5;
const VALUE = 6;
const SLASHED = 7;

const GT = 0x3e;
const SLASH = 0x2f;
const EQUAL = 0x3d;
const COLON = 0x3a;
const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;

/** Reads one start tag after the other by bytes, from its name to its `>`. Offsets count from the start of the item. */
export class TagScanner {
  readonly attributes: TagAttributes;
  nameStart = 0;
  nameEnd = 0;
  /** Whether the name has a colon. */
  prefixed = false;
  /** Whether the tag ended in `/>`. */
  empty = false;
  readonly #characters: CharacterData;
  #state = IN_NAME;
  /** Where the current attribute's name or value starts. */
  #mark = 0;
  #colon = false;

  constructor(attributes: TagAttributes, characters: CharacterData) {
    this.attributes = attributes;
    this.#characters = characters;
  }

  begin(nameStart: number): void {
    this.nameStart = nameStart;
    this.empty = false;
    this.#colon = false;
    this.attributes.clear();
    this.#state = IN_NAME;
  }

  /** Goes on where it stopped, and returns where the `>` of the tag stands, or `end` where that has not come yet. */
  scan(buffer: Buffer, item: number, from: number, end: number): number {
    let state = this.#state;
    let i = from;
    // Each step falls through to the next, which most often goes on at once.
    while (i < end) {
      if (state === IN_NAME) {
        i = this.#skipName(buffer, i, end);
        if (i === end) break;
        this.nameEnd = i - item;
        this.prefixed = this.#colon;
        state = DELIMITER;
      }
      if (state === DELIMITER) {
        const byte = buffer[i] as number;
        if (byte === GT) return i;
        i++;
        if (byte === SLASH) state = SLASHED;
        else if ((classes[byte] as number) & SPACE) state = BETWEEN;
        else throw malformed();
        if (i === end) break;
      }
      if (state === BETWEEN) {
        i = skipSpace(buffer, i, end);
        if (i === end) break;
        const byte = buffer[i] as number;
        if ((classes[byte] as number) & NAME_START) {
          this.#mark = i - item;
          this.#colon = false;
          state = ATTRIBUTE;
        } else if (byte === GT) return i;
        else if (byte === SLASH) {
          state = SLASHED;
          i++;
          if (i === end) break;
        } else throw malformed();
      }
      if (state === ATTRIBUTE) {
        i = this.#skipName(buffer, i, end);
        if (i === end) break;
        this.attributes.name(buffer, item, this.#mark, i - item, this.#colon);
        state = EQUALS;
      }
      if (state === EQUALS) {
        i = skipSpace(buffer, i, end);
        if (i === end) break;
        if (buffer[i] !== EQUAL) throw malformed();
        state = QUOTE;
        i++;
      }
      if (state === QUOTE) {
        i = skipSpace(buffer, i, end);
        if (i === end) break;
        const byte = buffer[i] as number;
        if (byte !== DOUBLE_QUOTE && byte !== SINGLE_QUOTE) throw malformed();
        i++;
        this.#characters.beginValue(byte);
        this.#mark = i - item;
        state = VALUE;
      }
      if (state === VALUE) {
        i = this.#characters.value(buffer, i, end);
        if (i === end) break;
        this.attributes.value(this.#mark, i - item, this.#characters.plain);
        i++;
        state = DELIMITER;
      } else if (state === SLASHED) {
        if (buffer[i] !== GT) throw malformed();
        this.empty = true;
        return i;
      }
    }
    this.#state = state;
    return end;
  }

  #skipName(buffer: Buffer, from: number, end: number): number {
    let i = from;
    while (i < end) {
      const byte = buffer[i] as number;
      if (!((classes[byte] as number) & NAME)) {
        if (byte !== COLON) break;
        this.#colon = true;
      }
      i++;
    }
    return i;
  }
}

function skipSpace(buffer: Buffer, from: number, end: number): number {
  let i = from;
  while (i < end && (classes[buffer[i] as number] as number) & SPACE) i++;
  return i;
}
