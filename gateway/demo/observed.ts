/** A position in what was observed: the number of items in front of it. */
export type Mark = number;

/** Items kept: the tour looks back over one step at the most. */
const KEPT = 10_000;

/** What came over a wire or out of a log, in order, to look back at and to wait for. */
export class Observed<T> {
  #items: T[] = [];
  #dropped = 0;
  readonly #listeners = new Set<(item: T) => void>();

  add(item: T): void {
    this.#items.push(item);
    if (this.#items.length >= 2 * KEPT) {
      this.#dropped += this.#items.length - KEPT;
      this.#items = this.#items.slice(-KEPT);
    }
    for (const listener of this.#listeners) listener(item);
  }

  /** The position behind the newest item. */
  mark(): Mark {
    return this.#dropped + this.#items.length;
  }

  since(after: Mark): readonly T[] {
    return this.#items.slice(Math.max(0, after - this.#dropped));
  }

  /** Is told of every item from now on; the answer ends that. */
  listen(listener: (item: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The first item behind a mark that matches, there or yet to come. Rejects when `signal` aborts; `what` is what did
   * not come then, e.g. `bob's presence`.
   */
  async find(what: string, matches: (item: T) => boolean, after: Mark, signal: AbortSignal): Promise<T> {
    const there = this.since(after).find(matches);
    if (there !== undefined) return there;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = (): void => reject(new Error(`${what} did not come`));
    const ignore = this.listen((item) => {
      if (matches(item)) resolve(item);
    });
    signal.addEventListener('abort', abort, { once: true });
    try {
      if (signal.aborted) abort();
      return await promise;
    } finally {
      ignore();
      signal.removeEventListener('abort', abort);
    }
  }
}
