import type { ReadHeaders } from '../port.ts';
import { headerName, isKnownHeader, isListHeader, singleHeaderBit } from './header-names.ts';
import { listElements, trimmed } from './text.ts';

/**
 * The headers of a message in their order. Names are case-insensitive and compact ones are known; values are unfolded
 * and without white space around them. A name that the stack knows is kept in its one spelling.
 */
export class Headers implements ReadHeaders {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  /** From pairs of name and value, in their order. */
  constructor(fields: Iterable<readonly [name: string, value: string]> = []) {
    for (const [name, value] of fields) this.append(name, value);
  }

  /** How many header fields there are. */
  get size(): number {
    return this.#names.length;
  }

  /** The first value; of a list its first element. */
  get(name: string): string | undefined {
    const spelled = headerName(name);
    const at = this.#find(spelled, 0);
    const value = this.#values[at];
    if (value === undefined || !isListHeader(spelled) || (value !== '' && !value.includes(','))) return value;
    return this.all(spelled)[0];
  }

  /** Every value in its order; lists are split at their commas, empty elements left out. */
  all(name: string): readonly string[] {
    const spelled = headerName(name);
    const values = this.elements(spelled);
    return isListHeader(spelled) && values.includes('') ? values.filter((value) => value !== '') : values;
  }

  /** As {@link all}, with the empty elements of lists: a fault in most of them. */
  elements(name: string): readonly string[] {
    const spelled = headerName(name);
    const lines = this.lines(spelled);
    const whole = !isListHeader(spelled) || !lines.some((line) => line.includes(','));
    return whole ? lines : lines.flatMap(listElements);
  }

  /** Every value in its order, as its line has it: lists in one piece. */
  lines(name: string): readonly string[] {
    const spelled = headerName(name);
    const values: string[] = [];
    for (let at = this.#find(spelled, 0); at >= 0; at = this.#find(spelled, at + 1)) {
      values.push(this.#values[at] as string);
    }
    return values;
  }

  has(name: string): boolean {
    return this.#find(headerName(name), 0) >= 0;
  }

  /** How many header fields have this name; a list counts as one. */
  count(name: string): number {
    const spelled = headerName(name);
    let count = 0;
    for (let at = this.#find(spelled, 0); at >= 0; at = this.#find(spelled, at + 1)) count++;
    return count;
  }

  /** The name of a header that may stand in a message only once and stands here twice; undefined where there is none. */
  get repeated(): string | undefined {
    let seen = 0;
    for (const name of this.#names) {
      const bit = singleHeaderBit(name);
      if ((seen & bit) !== 0) return name;
      seen |= bit;
    }
    return undefined;
  }

  /** The one value in place of all that have the name, where the first of them stood, else at the end. */
  set(name: string, value: string): this {
    const spelled = headerName(name);
    const at = this.#find(spelled, 0);
    if (at < 0) return this.append(spelled, value);
    this.#values[at] = trimmed(value);
    this.#remove(spelled, at + 1);
    return this;
  }

  /** Behind the last of its name, else at the end. */
  add(name: string, value: string): this {
    const spelled = headerName(name);
    let last = -1;
    for (let at = this.#find(spelled, 0); at >= 0; at = this.#find(spelled, at + 1)) last = at;
    return last < 0 ? this.append(spelled, value) : this.#insert(last + 1, spelled, value);
  }

  /** In front of the first of its name, else in front of all. */
  addFirst(name: string, value: string): this {
    const spelled = headerName(name);
    return this.#insert(Math.max(0, this.#find(spelled, 0)), spelled, value);
  }

  /** At the end, whatever its name: how a message is read. */
  append(name: string, value: string): this {
    this.#names.push(headerName(name));
    this.#values.push(trimmed(value));
    return this;
  }

  /** Takes the first element of a list away, such as the Via of our own of a response. */
  deleteFirst(name: string): this {
    const spelled = headerName(name);
    const at = this.#find(spelled, 0);
    if (at < 0) return this;
    const rest = isListHeader(spelled) ? listElements(this.#values[at] as string).filter((element) => element) : [];
    if (rest.length > 1) this.#values[at] = rest.slice(1).join(', ');
    else this.#removeAt(at);
    return this;
  }

  /** Takes all of the name away. */
  delete(name: string): this {
    this.#remove(headerName(name), 0);
    return this;
  }

  clone(): Headers {
    const copy = new Headers();
    for (const name of this.#names) copy.#names.push(name);
    for (const value of this.#values) copy.#values.push(value);
    return copy;
  }

  /** Appends the lines of another's headers that have these names, in the order of the names. */
  copyFrom(other: Headers, names: readonly string[]): this {
    for (const name of names) {
      const spelled = headerName(name);
      for (let at = other.#find(spelled, 0); at >= 0; at = other.#find(spelled, at + 1)) {
        this.#names.push(spelled);
        this.#values.push(other.#values[at] as string);
      }
    }
    return this;
  }

  /** Tells each name and value in their order: what an iterator does, without its garbage. */
  forEach(tell: (name: string, value: string) => void): void {
    for (let at = 0; at < this.#names.length; at++) tell(this.#names[at] as string, this.#values[at] as string);
  }

  *[Symbol.iterator](): Iterator<[name: string, value: string]> {
    for (const [at, name] of this.#names.entries()) yield [name, this.#values[at] as string];
  }

  /** The index of the first of the name at or behind `from`; -1 where there is none. */
  #find(spelled: string, from: number): number {
    const at = this.#names.indexOf(spelled, from);
    if (at >= 0 || isKnownHeader(spelled)) return at;
    const key = spelled.toLowerCase();
    return this.#names.findIndex((name, n) => n >= from && name.length === key.length && name.toLowerCase() === key);
  }

  #insert(at: number, spelled: string, value: string): this {
    this.#names.splice(at, 0, spelled);
    this.#values.splice(at, 0, trimmed(value));
    return this;
  }

  #remove(spelled: string, from: number): void {
    for (let at = this.#find(spelled, from); at >= 0; at = this.#find(spelled, at)) this.#removeAt(at);
  }

  #removeAt(at: number): void {
    this.#names.splice(at, 1);
    this.#values.splice(at, 1);
  }
}
