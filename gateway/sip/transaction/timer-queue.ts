import type { Clock, Timer } from './clock.ts';

/** A busy queue looks at its head no more often than this, ms: nothing in SIP is that exact. */
const GRAIN_MS = 50;

/**
 * Many timers of one duration. Since all last as long, they fall due in the order in which they were set: a linked list
 * and one timer of the clock, for its head, do; setting and clearing take constant time.
 */
export class TimerQueue<T> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #expired: (item: T) => void;
  #head: Node<T> | undefined;
  #tail: Node<T> | undefined;
  #size = 0;
  #alarm: Timer | undefined;
  #closed = false;

  /** `expired` is told of each item, `ms` and at most a grain of 50 ms after it was added. */
  constructor(clock: Clock, ms: number, expired: (item: T) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#expired = expired;
  }

  get size(): number {
    return this.#size;
  }

  /** The item whose time is over next. */
  get first(): T | undefined {
    return this.#head?.item;
  }

  add(item: T): Timer {
    const node = new Node(item, this.#clock.now() + this.#ms, this.#remove);
    if (this.#closed) return node;
    node.queued = true;
    node.before = this.#tail;
    if (this.#tail === undefined) this.#head = node;
    else this.#tail.after = node;
    this.#tail = node;
    this.#size++;
    this.#alarm ??= this.#clock.setTimeout(this.#ring, this.#ms);
    return node;
  }

  /** Lets the item at the head expire now; false where there is none. */
  expireFirst(): boolean {
    const node = this.#head;
    if (node === undefined) return false;
    node.clear();
    this.#expired(node.item);
    return true;
  }

  /** Forgets all items; what is added later never expires. */
  close(): void {
    this.#closed = true;
    while (this.#head !== undefined) this.#head.clear();
  }

  readonly #remove = (node: Node<T>): void => {
    if (node.before === undefined) this.#head = node.after;
    else node.before.after = node.after;
    if (node.after === undefined) this.#tail = node.before;
    else node.after.before = node.before;
    node.before = undefined;
    node.after = undefined;
    this.#size--;
    if (this.#head !== undefined) return;
    this.#alarm?.clear();
    this.#alarm = undefined;
  };

  readonly #ring = (): void => {
    this.#alarm = undefined;
    const now = this.#clock.now();
    try {
      while (this.#head !== undefined && this.#head.due <= now) this.expireFirst();
    } finally {
      // A user that throws must not stop the others' time.
      if (this.#head !== undefined) {
        this.#alarm ??= this.#clock.setTimeout(this.#ring, Math.max(this.#head.due - now, GRAIN_MS));
      }
    }
  };
}

class Node<T> implements Timer {
  readonly item: T;
  readonly due: number;
  queued = false;
  before: Node<T> | undefined;
  after: Node<T> | undefined;
  readonly #remove: (node: Node<T>) => void;

  constructor(item: T, due: number, remove: (node: Node<T>) => void) {
    this.item = item;
    this.due = due;
    this.#remove = remove;
  }

  clear(): void {
    if (!this.queued) return;
    this.queued = false;
    this.#remove(this);
  }
}
