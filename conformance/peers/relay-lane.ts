import type { Socket } from 'node:net';

/** Bytes kept of what was read and may not be written yet; beyond them nothing more is read. */
const mostKept = 4 * 1024 * 1024;

/** What was read: bytes, or the end of the direction. */
interface Kept {
  readonly chunk: Buffer | undefined;
  /** When it may go on, ms since the epoch. */
  readonly due: number;
}

/** One direction of a relayed connection: reads of one socket and writes to another, in order, now or later. */
export class RelayLane {
  /** For each chunk how long it is held back, ms. */
  delay: () => number = () => 0;
  /** Bytes passed on since the start. */
  passed = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  #kept: Kept[] = [];
  #keptBytes = 0;
  #lastDue = 0;
  #timer: NodeJS.Timeout | undefined;
  #paused = false;
  #detained = false;
  #ended = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#take(undefined));
    to.on('drain', () => this.#read());
  }

  get detained(): boolean {
    return this.#detained;
  }

  /** Bytes read and not passed on. */
  get kept(): number {
    return this.#keptBytes;
  }

  /** Reads nothing more: the writes of the other side fill up and stall. */
  pause(): void {
    this.#paused = true;
    this.#from.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#read();
  }

  /** Reads on, and passes nothing on until it is released: for the writer it is on its way. */
  detain(): void {
    this.#detained = true;
  }

  release(): void {
    this.#detained = false;
    this.#pass();
  }

  /** Passes on what is kept, then the end of this direction. */
  end(): void {
    this.#take(undefined);
  }

  /** Nothing is passed on any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#detained = true;
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #take(chunk: Buffer | undefined): void {
    if (this.#ended) return; // bytes behind an end that was made up
    this.#ended = chunk === undefined;
    const now = Date.now();
    this.#lastDue = Math.max(this.#lastDue, now + this.delay());
    this.#kept.push({ chunk, due: this.#lastDue });
    this.#keptBytes += chunk?.length ?? 0;
    this.#pass();
    if (this.#keptBytes > mostKept) this.#from.pause();
  }

  #pass(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (!this.#detained) {
      const [first] = this.#kept;
      if (first === undefined) break;
      const wait = first.due - Date.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pass(), wait);
        return;
      }
      this.#kept.shift();
      this.#write(first.chunk);
    }
    if (!this.#to.writableNeedDrain) this.#read();
  }

  #write(chunk: Buffer | undefined): void {
    if (chunk === undefined) {
      this.#to.end();
      return;
    }
    this.#keptBytes -= chunk.length;
    this.passed += chunk.length;
    if (!this.#to.destroyed && !this.#to.write(chunk)) this.#from.pause();
  }

  #read(): void {
    if (!this.#paused && this.#keptBytes <= mostKept) this.#from.resume();
  }
}
