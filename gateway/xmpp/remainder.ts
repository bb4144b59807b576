/** Smallest buffer taken, so that a peer sending byte by byte costs few of them. */
const LEAST_BYTES = 1024;

/** The bytes of an unfinished item, kept until the rest of it arrives. Growing by doubling keeps the copying linear. */
export class Remainder {
  #buffer: Buffer | undefined;
  #length = 0;

  /** Bytes kept. */
  get length(): number {
    return this.#length;
  }

  /** Adds a chunk and returns the buffer that holds everything, of which only the first {@link length} bytes count. */
  append(chunk: Buffer, limit: number): Buffer {
    const total = this.#length + chunk.length;
    if (this.#buffer === undefined || total > this.#buffer.length) {
      // Doubling is for an item that grows over many chunks; behind the small rest of a read, mostly, none does.
      this.#move(this.#buffer, 0, total, this.#length < chunk.length ? total : limit);
    }
    const buffer = this.#buffer as Buffer;
    chunk.copy(buffer, this.#length);
    this.#length = total;
    return buffer;
  }

  /** Keeps the bytes of a buffer from here to there. Bytes before them may have been handed out and stay as they are. */
  keep(buffer: Buffer, from: number, to: number, limit: number): void {
    this.#length = to - from;
    if (from !== 0 || buffer !== this.#buffer) this.#move(buffer, from, this.#length, limit);
  }

  clear(): void {
    this.#buffer = undefined;
    this.#length = 0;
  }

  #move(source: Buffer | undefined, from: number, least: number, limit: number): void {
    // An item may not outgrow the limit, so neither does the room made for it.
    const room = Math.max(least, Math.min(limit, Math.max(least * 2, LEAST_BYTES)));
    const target = Buffer.allocUnsafeSlow(room);
    source?.copy(target, 0, from, from + this.#length);
    this.#buffer = target;
  }
}
