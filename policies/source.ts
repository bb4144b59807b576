import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Node } from 'yaml';
import type { Place } from './fault.ts';

/** Characters of a rule quoted back to the reader. */
const QUOTED = 200;

/** A YAML text whose keys can be found again by path. */
export class Source {
  readonly file: string;
  readonly #text: string;
  readonly #document: Document;
  readonly #lines: LineCounter;

  constructor(file: string, text: string, document: Document, lines: LineCounter) {
    this.file = file;
    this.#text = text;
    this.#document = document;
    this.#lines = lines;
  }

  /** Where the value at `path` stands; where nothing stands there, its nearest ancestor. */
  place(path: readonly PropertyKey[]): Place {
    const { key, value } = this.#find(path);
    const empty = isScalar(value) && value.value === null;
    return this.at((empty ? (key ?? value) : (value ?? key))?.range?.[0] ?? 0);
  }

  /** Where the last key of `path` stands; where it does not exist, its nearest ancestor. */
  keyPlace(path: readonly PropertyKey[]): Place {
    const { key, value } = this.#find(path);
    return this.at((key ?? value)?.range?.[0] ?? 0);
  }

  /** Whether the map at `path` has a key. */
  has(path: readonly PropertyKey[], key: string): boolean {
    const { value } = this.#find(path);
    const holder = isAlias(value) ? value.resolve(this.#document) : value;
    return isMap(holder) && holder.items.some((item) => keyText(item.key) === key);
  }

  /** The value at `path` as written, on one line. */
  written(path: readonly PropertyKey[]): string {
    const range = this.#find(path).value?.range;
    if (!range) return '';
    const line = this.#text.slice(range[0], range[1]).trim().replace(/\s+/g, ' ');
    return line.length > QUOTED ? `${line.slice(0, QUOTED)}…` : line;
  }

  /** The place of a character offset. */
  at(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  #find(path: readonly PropertyKey[]): { key: Node | undefined; value: Node | undefined } {
    let value: Node | undefined = this.#document.contents ?? undefined;
    let key: Node | undefined;
    for (const part of path) {
      const holder = isAlias(value) ? value.resolve(this.#document) : value;
      if (isMap(holder)) {
        const pair = holder.items.find((item) => keyText(item.key) === String(part));
        if (pair === undefined) break;
        key = isNode(pair.key) ? pair.key : undefined;
        value = isNode(pair.value) ? pair.value : key;
      } else if (isSeq(holder)) {
        const item = holder.items[Number(part)];
        if (!isNode(item)) break;
        key = undefined;
        value = item;
      } else break;
    }
    return { key, value };
  }
}

/** A key of a map as text. */
export function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}
