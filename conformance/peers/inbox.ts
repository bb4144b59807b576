/** A load test counts some ten thousand stanzas a client; more than this is a loop. */
const capacity = 100_000;

export interface NextOptions {
  /** Milliseconds; 10,000 when left out. */
  readonly timeoutMs?: number | undefined;
}

interface Waiter<T> {
  readonly wanted: (item: T) => boolean;
  readonly found: (item: T) => void;
}

/** Collects what arrives, in order of arrival, and lets a test wait for it. */
export class Inbox<T> {
  readonly #name: string;
  readonly #print: (item: T) => string;
  readonly #waiters = new Set<Waiter<T>>();
  readonly #listeners: ((item: T) => void)[] = [];
  #consumed = false;
  #unread: T[] = [];
  #total = 0;

  constructor(name: string, print: (item: T) => string) {
    this.#name = name;
    this.#print = print;
  }

  /** What arrived and was not taken. */
  get unread(): readonly T[] {
    return this.#unread;
  }

  /** How many have arrived in all. */
  get total(): number {
    return this.#total;
  }

  add(item: T): void {
    this.#total += 1;
    for (const listener of this.#listeners) listener(item);
    for (const waiter of this.#waiters) {
      if (!waiter.wanted(item)) continue;
      waiter.found(item);
      return;
    }
    if (this.#consumed) return;
    if (this.#unread.length === capacity) throw new Error(`more than ${capacity} ${this.#name} nobody took`);
    this.#unread.push(item);
  }

  /** Hears of what is unread, and then of everything that arrives, whether somebody takes it or not. */
  listen(listener: (item: T) => void): void {
    for (const item of this.#unread) listener(item);
    this.#listeners.push(listener);
  }

  /** As {@link listen}, and nothing is left unread: for more than anybody wants to keep. */
  consume(listener: (item: T) => void): void {
    this.listen(listener);
    this.#consumed = true;
    this.#unread = [];
  }

  /** Takes the first that the predicate wants, unread or yet to come; the others stay unread. Rejects when the time is over. */
  next(wanted: (item: T) => boolean = () => true, { timeoutMs = 10_000 }: NextOptions = {}): Promise<T> {
    const index = this.#unread.findIndex(wanted);
    if (index >= 0) return Promise.resolve(this.#unread.splice(index, 1)[0] as T);
    const late = new Error(); // made here, so that its stack names the test
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        const unread = this.#unread.slice(-10).map(this.#print).join('\n');
        late.message = `none of the ${this.#name} wanted came within ${timeoutMs} ms; unread:\n${unread || '(none)'}`;
        reject(late);
      }, timeoutMs);
      const waiter: Waiter<T> = {
        wanted,
        found: (item) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(item);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** Takes the next `count`, in order of arrival; `timeoutMs` is for each of them. */
  async take(count: number, wanted?: (item: T) => boolean, options?: NextOptions): Promise<T[]> {
    const taken: T[] = [];
    while (taken.length < count) taken.push(await this.next(wanted, options));
    return taken;
  }

  clear(): void {
    this.#unread = [];
  }
}
