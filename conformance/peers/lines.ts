/** A server at debug level writes some 30 lines a stanza; the last of them tell what went wrong. */
const defaultCapacity = 5_000;
/** Longer lines are cut, so that a server that prints a 100 KB stanza does not fill the buffer with it. */
const longestLine = 4_000;

/** A position in a log: the number of lines written before it. */
export type Mark = number;

export interface WaitOptions {
  /** Only lines written after this mark count; all that are still kept when left out. */
  readonly after?: Mark | undefined;
  /** Milliseconds; 20,000 when left out. */
  readonly timeoutMs?: number | undefined;
  /** Gives up early. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly found: (line: string) => void;
}

/** What a process has written, line by line, in a ring of bounded size; one can wait for a line to come. */
export class Lines {
  readonly #capacity: number;
  readonly #waiters = new Set<Waiter>();
  #kept: string[] = [];
  #dropped = 0;

  constructor(capacity: number = defaultCapacity) {
    this.#capacity = capacity;
  }

  add(line: string): void {
    const cut = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
    this.#kept.push(cut);
    if (this.#kept.length >= 2 * this.#capacity) {
      this.#dropped += this.#kept.length - this.#capacity;
      this.#kept = this.#kept.slice(-this.#capacity);
    }
    for (const waiter of this.#waiters) {
      if (waiter.pattern.test(cut)) waiter.found(cut);
    }
  }

  /** The position after the newest line; pass it as `after` to see only what comes later. */
  mark(): Mark {
    return this.#dropped + this.#kept.length;
  }

  /** The kept lines after a mark. */
  since(mark: Mark = 0): readonly string[] {
    return this.#kept.slice(Math.max(0, mark - this.#dropped));
  }

  matching(pattern: RegExp, after: Mark = 0): readonly string[] {
    return this.since(after).filter((line) => pattern.test(line));
  }

  /** The last lines as one text, for an error message. */
  tail(count: number): string {
    return this.#kept.slice(-count).join('\n');
  }

  /** Resolves with the first line that matches, kept or yet to come; rejects with the last lines when the time is over. The pattern must not be global or sticky. */
  waitFor(pattern: RegExp, { after = 0, timeoutMs = 20_000, signal }: WaitOptions = {}): Promise<string> {
    const already = this.since(after).find((line) => pattern.test(line));
    if (already !== undefined) return Promise.resolve(already);
    const failure = new Error(); // made here, so that its stack names the test
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        this.#waiters.delete(waiter);
        outcome();
      };
      const waiter: Waiter = { pattern, found: (line) => settle(() => resolve(line)) };
      const fail = (why: string) => {
        failure.message = `no line matched ${pattern} ${why}; the last lines:\n${this.tail(40)}`;
        settle(() => reject(failure));
      };
      const abort = () => fail('before the wait was given up');
      const timer = setTimeout(() => fail(`within ${timeoutMs} ms`), timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }
}
