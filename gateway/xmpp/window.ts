import type { Stanza } from '../bridge/stanza.ts';

/** Barriers follow each other no closer than this, ms: under load one confirms many stanzas. */
const SPACING_MS = 5;

/**
 * Stanzas written to the other side and not confirmed by it: what must be sent again when the connection breaks.
 * Confirmation comes by a barrier that the owner writes: `<r/>` (XEP-0198 §4) or a ping behind the stanzas.
 *
 * While traffic is light every write carries its own barrier, so that a peer that closes in good order leaves no
 * doubt about what it took.
 */
export class Window {
  /** Stanzas ever written, the number a barrier stands for. */
  written = 0;
  readonly #limit: number;
  readonly #barrier: () => void;
  #unconfirmed: Stanza[] = [];
  #head = 0;
  #confirmed = 0;
  #lastBarrier = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;

  /** `barrier` writes one, and must be cheap; it is called at the end of the turn in which stanzas were written. */
  constructor(limit: number, barrier: () => void) {
    this.#limit = limit;
    this.#barrier = barrier;
  }

  get full(): boolean {
    return this.pending >= this.#limit;
  }

  get pending(): number {
    return this.#unconfirmed.length - this.#head;
  }

  add(stanza: Stanza): void {
    this.#unconfirmed.push(stanza);
    this.written++;
    if (this.#scheduled) return;
    this.#scheduled = true;
    const wait = this.#lastBarrier + SPACING_MS - Date.now();
    if (wait <= 0) queueMicrotask(() => this.#raise());
    else this.#timer = setTimeout(() => this.#raise(), wait);
  }

  /** The other side has taken everything up to the n-th stanza written. False where that is more than was written. */
  confirm(upTo: number): boolean {
    if (upTo > this.written) return false;
    const count = upTo - this.#confirmed;
    if (count <= 0) return true;
    this.#confirmed = upTo;
    this.#unconfirmed.fill(undefined as unknown as Stanza, this.#head, this.#head + count);
    this.#head += count;
    if (this.#head > 1024 || this.#head === this.#unconfirmed.length) {
      this.#unconfirmed = this.#unconfirmed.slice(this.#head);
      this.#head = 0;
    }
    return true;
  }

  /** Ends the window and hands out what was not confirmed, in order. */
  close(): Stanza[] {
    clearTimeout(this.#timer);
    this.#scheduled = true;
    const left = this.#unconfirmed.slice(this.#head);
    this.#unconfirmed = [];
    this.#head = 0;
    return left;
  }

  #raise(): void {
    this.#timer = undefined;
    this.#scheduled = false;
    if (this.pending === 0) return;
    this.#lastBarrier = Date.now();
    this.#barrier();
  }
}
