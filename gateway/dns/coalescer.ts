import { Fault } from '../../policies/fault.ts';

interface Flight<V> {
  readonly result: Promise<V>;
  readonly abandon: AbortController;
  waiters: number;
}

/**
 * Joins equal work under way: who asks for a key that is being worked on waits for the same result. A waiter that
 * aborts leaves the others alone; when the last one left, the work is aborted too.
 */
export class Coalescer<V> {
  readonly #flights = new Map<string, Flight<V>>();
  readonly #limit: number;

  /** @param limit different keys at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Throws Fault `dns-failed` at the limit, what `work` throws, or the reason of the waiter's signal. */
  async run(key: string, work: (signal: AbortSignal) => Promise<V>, signal?: AbortSignal): Promise<V> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#depart(key, work);
    flight.waiters += 1;
    const { promise, resolve, reject } = Promise.withResolvers<V>();
    const leave = () => {
      reject(signal?.reason);
      flight.waiters -= 1;
      if (flight.waiters > 0) return;
      this.#forget(key, flight);
      flight.abandon.abort(signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
    flight.result.then(resolve, reject);
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Ends all work under way; its waiters get `reason`. */
  abortAll(reason: unknown): void {
    for (const flight of this.#flights.values()) flight.abandon.abort(reason);
    this.#flights.clear();
  }

  #depart(key: string, work: (signal: AbortSignal) => Promise<V>): Flight<V> {
    if (this.#flights.size >= this.#limit) throw new Fault('dns-failed', 'Too many DNS lookups at once.');
    const abandon = new AbortController();
    const result = work(abandon.signal).finally(() => this.#forget(key, flight));
    const flight: Flight<V> = { result, abandon, waiters: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  #forget(key: string, flight: Flight<V>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
