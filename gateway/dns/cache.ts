/** A bounded store of values with a time to live; the least recently used makes room. */
export class TtlCache<V> {
  readonly #entries = new Map<string, { value: V; expires: number }>();
  readonly #capacity: number;
  readonly #now: () => number;

  /** @param now clock in ms. */
  constructor(capacity: number, now: () => number) {
    this.#capacity = capacity;
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value and the whole seconds it still lives; an expired one is dropped. */
  get(key: string): { value: V; ttl: number } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    const left = entry.expires - this.#now();
    if (left <= 0) return undefined;
    this.#entries.set(key, entry);
    return { value: entry.value, ttl: Math.ceil(left / 1000) };
  }

  /** @param ttl seconds; what has none is not kept. */
  set(key: string, value: V, ttl: number): void {
    this.#entries.delete(key);
    if (ttl <= 0 || this.#capacity <= 0) return;
    if (this.#entries.size >= this.#capacity) this.#evict();
    this.#entries.set(key, { value, expires: this.#now() + ttl * 1000 });
  }

  clear(): void {
    this.#entries.clear();
  }

  #evict(): void {
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
