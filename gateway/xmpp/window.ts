import type { Stanza } from '../bridge/stanza.ts';
import type { Left } from './receipts.ts';

export interface WindowOptions {
  /** Unconfirmed stanzas, and their bytes, after which the window is full. */
  readonly stanzas: number;
  readonly bytes: number;
  /** Batches follow each other no closer than this, ms: under load one barrier confirms many stanzas. */
  readonly spacingMs: number;
  /** Told of each stanza that the other side has taken. */
  readonly delivered: (stanza: Stanza) => void;
}

/**
 * Barriers of one batch. A peer that stops may have read it in part: under light traffic each stanza has its own
 * barrier, so that nothing is in doubt; under load a part of the batch is, and the cost stays bounded.
 */
const BARRIERS = 8;
/** Bytes that do not wait for their turn: many times what a write costs. */
const BATCH_BYTES = 64 * 1024;

/**
 * Stanzas on their way to the other side and not confirmed by it: what is in doubt when the connection breaks.
 *
 * They leave in batches, and none without a barrier right behind it that asks for confirmation: `<r/>` (XEP-0198 §4)
 * or a ping. So a peer that closes in good order leaves hardly a doubt about what it took.
 */
export class Window {
  /** Stanzas ever written: the number that the barrier behind them stands for. */
  written = 0;
  readonly #options: WindowOptions;
  readonly #write: (stanzas: readonly Stanza[]) => void;
  #stanzas: Stanza[] = [];
  #head = 0;
  #bytes = 0;
  #confirmed = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #lastWrite = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #stopped = false;

  /** `write` writes these stanzas and behind them a barrier, which stands for {@link written}. */
  constructor(options: WindowOptions, write: (stanzas: readonly Stanza[]) => void) {
    this.#options = options;
    this.#write = write;
  }

  get full(): boolean {
    return this.pending >= this.#options.stanzas || this.#bytes >= this.#options.bytes;
  }

  /** Stanzas not confirmed. */
  get pending(): number {
    return this.#stanzas.length - this.#head;
  }

  /** Stanzas written and not confirmed. */
  get underWay(): number {
    return this.pending - this.#waiting;
  }

  add(stanza: Stanza): void {
    this.#stanzas.push(stanza);
    this.#bytes += stanza.bytes.length;
    this.#waiting++;
    this.#waitingBytes += stanza.bytes.length;
    if (this.full || this.#waitingBytes >= BATCH_BYTES) this.flush();
    else if (!this.#scheduled) this.#schedule();
  }

  /** Writes now what waits for its turn. */
  flush(): void {
    if (this.#waiting === 0 || this.#stopped) return;
    const batch = this.#stanzas.slice(-this.#waiting);
    this.#waiting = 0;
    this.#waitingBytes = 0;
    this.#lastWrite = Date.now();
    const group = Math.ceil(batch.length / BARRIERS);
    for (let first = 0; first < batch.length; first += group) {
      const stanzas = batch.slice(first, first + group);
      this.written += stanzas.length;
      this.#write(stanzas);
    }
  }

  /** The other side has taken everything up to the n-th stanza written. False where that is more than was written. */
  confirm(upTo: number): boolean {
    if (!(upTo <= this.written)) return false;
    for (; this.#confirmed < upTo; this.#confirmed++) {
      const stanza = this.#stanzas[this.#head] as Stanza;
      this.#bytes -= stanza.bytes.length;
      this.#stanzas[this.#head++] = undefined as unknown as Stanza;
      this.#options.delivered(stanza);
    }
    if (this.#head > 1024 || this.#head === this.#stanzas.length) {
      this.#stanzas = this.#stanzas.slice(this.#head);
      this.#head = 0;
    }
    return true;
  }

  /** Takes the oldest for confirmed, until there is room for another. */
  forget(): void {
    while (this.full && this.underWay > 0) this.confirm(this.#confirmed + 1);
  }

  /** Writes nothing more: what still waits for its turn is never sent. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#stopped = true;
  }

  /** Ends the window and hands out what was not confirmed. */
  close(): Left {
    this.stop();
    const written = this.#stanzas.length - this.#waiting;
    const left = { doubtful: this.#stanzas.slice(this.#head, written), unsent: this.#stanzas.slice(written) };
    this.#stanzas = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#waiting = 0;
    return left;
  }

  #schedule(): void {
    this.#scheduled = true;
    const turn = (): void => {
      this.#scheduled = false;
      this.flush();
    };
    const wait = this.#lastWrite + this.#options.spacingMs - Date.now();
    if (wait <= 0) queueMicrotask(turn);
    else this.#timer = setTimeout(turn, wait);
  }
}
