import { Fault, systemText } from '../../../policies/fault.ts';
import type { Resolver, SrvRecord } from '../../dns/resolver.ts';

/** A lookup that failed: `what` is its name and type, `message` why. */
export interface FailedLookup {
  readonly what: string;
  readonly message: string;
}

/** Records that were found, and the lookups that failed on the way: one bad answer must not hide the good ones. */
export interface Looked<T> {
  readonly records: readonly T[];
  readonly failed: readonly FailedLookup[];
}

/** Lookups that never reject, and whether anybody answers at all. */
export class Lookups {
  readonly #resolver: Resolver;
  #answered = false;
  #silence: string | undefined;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /** Why no server was reached by any lookup so far; undefined as soon as one was. */
  get offLine(): string | undefined {
    return this.#answered ? undefined : this.#silence;
  }

  srv(name: string): Promise<Looked<SrvRecord>> {
    return this.#look(`${name} SRV`, this.#resolver.srv(name));
  }

  /** IPv4 and IPv6 addresses; either alone is enough. */
  async addresses(host: string): Promise<Looked<string>> {
    const both = await Promise.all([
      this.#look(`${host} A`, this.#resolver.a(host)),
      this.#look(`${host} AAAA`, this.#resolver.aaaa(host)),
    ]);
    return { records: both.flatMap(({ records }) => records), failed: both.flatMap(({ failed }) => failed) };
  }

  async #look<T>(what: string, lookup: Promise<{ readonly records: readonly T[] }>): Promise<Looked<T>> {
    try {
      const { records } = await lookup;
      this.#answered = true;
      return { records, failed: [] };
    } catch (thrown) {
      const message = systemText(thrown);
      if (unanswered(thrown)) this.#silence ??= message;
      else this.#answered = true;
      return { records: [], failed: [{ what, message }] };
    }
  }
}

/** Nobody answered in time, or the system could not reach the server at all. */
function unanswered(thrown: unknown): boolean {
  if (!(thrown instanceof Fault)) return false;
  return thrown.code === 'dns-timeout' || (thrown.code === 'dns-failed' && thrown.cause !== undefined);
}
