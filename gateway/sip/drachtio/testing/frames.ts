/** Length-prefixed frames of drachtio's control protocol: `<bytes>#<text>`. */
export class Frames {
  #rest = Buffer.alloc(0);

  /** The whole frames that these bytes complete. Throws RangeError for a length that a drachtio server does not take. */
  push(chunk: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: string[] = [];
    for (;;) {
      const mark = this.#rest.indexOf('#');
      if (mark < 0) return frames;
      const digits = this.#rest.subarray(0, mark).toString();
      // The server reads no more than five digits.
      if (!/^\d{1,5}$/.test(digits)) throw new RangeError(`no length: ${digits.slice(0, 20)}`);
      const end = mark + 1 + Number(digits);
      if (this.#rest.length < end) return frames;
      frames.push(this.#rest.subarray(mark + 1, end).toString());
      this.#rest = this.#rest.subarray(end);
    }
  }
}

export function frame(text: string): string {
  return `${Buffer.byteLength(text)}#${text}`;
}

/** What arrives, in its order, for whoever asks for it, before or after. */
export class Inbox<T> {
  readonly #items: T[] = [];
  #asking: ((item: T) => void)[] = [];

  get size(): number {
    return this.#items.length;
  }

  put(item: T): void {
    const next = this.#asking.shift();
    if (next === undefined) this.#items.push(item);
    else next(item);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#asking.push(resolve));
  }
}
