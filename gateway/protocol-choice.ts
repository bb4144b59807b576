import type { Protocol } from './bridge/ports.ts';
import { TtlCache } from './dns/cache.ts';
import { servicesOf } from './dns/naptr.ts';
import type { Answer, NaptrRecord, Resolver, SrvRecord } from './dns/resolver.ts';

/** Domains whose protocol is remembered; wildcards let a partner have many. */
const REMEMBERED = 10_000;
/** How long what DNS said is believed, seconds: at most, and at least, so that a TTL of 0 costs no lookup per message. */
const LONGEST = 600;
const SHORTEST = 30;

export interface ProtocolChoiceOptions {
  readonly resolver: Pick<Resolver, 'srv' | 'naptr'>;
  /** ms since the epoch. */
  readonly now: () => number;
}

/**
 * Which protocol a domain is reached by, as RFC 7247 §5 asks DNS: XMPP where it has SRV records of XMPP, else SIP where it
 * has records of SIP over TLS. Where it has neither, or DNS does not say, the given one: that protocol's own lookups then
 * find out what is wrong.
 */
export class ProtocolChoice {
  readonly #options: ProtocolChoiceOptions;
  readonly #known: TtlCache<Protocol>;
  readonly #asking = new Map<string, Promise<Protocol>>();

  constructor(options: ProtocolChoiceOptions) {
    this.#options = options;
    this.#known = new TtlCache(REMEMBERED, options.now);
  }

  /** What is known of a domain; undefined where DNS must be asked. */
  known(domain: string): Protocol | undefined {
    return this.#known.get(domain)?.value;
  }

  /** Asks DNS, once at a time of one domain. `otherwise` is the answer where DNS names neither. Never rejects. */
  find(domain: string, otherwise: Protocol): Promise<Protocol> {
    const asked = this.#asking.get(domain);
    if (asked !== undefined) return asked;
    const finding = this.#find(domain, otherwise).finally(() => this.#asking.delete(domain));
    this.#asking.set(domain, finding);
    return finding;
  }

  /** Forgets all: policies have changed. */
  clear(): void {
    this.#known.clear();
  }

  async #find(domain: string, otherwise: Protocol): Promise<Protocol> {
    const { resolver } = this.#options;
    const [starttls, direct, sips, naptr] = await Promise.all([
      noted(resolver.srv(`_xmpp-server._tcp.${domain}`)),
      noted(resolver.srv(`_xmpps-server._tcp.${domain}`)),
      noted(resolver.srv(`_sips._tcp.${domain}`)),
      noted(resolver.naptr(domain)),
    ]);
    const xmpp = [starttls, direct].some(offers);
    const sip = offers(sips) || leadsToSip(naptr);
    const found = xmpp ? 'xmpp' : sip ? 'sip' : otherwise;
    const ttl = xmpp || sip ? Math.min(...[starttls, direct, sips, naptr].map((answer) => answer?.ttl ?? 0)) : 0;
    this.#known.set(domain, found, Math.min(LONGEST, Math.max(SHORTEST, ttl)));
    return found;
  }
}

/** A lookup that failed says nothing. */
async function noted<R>(lookup: Promise<Answer<R>>): Promise<Answer<R> | undefined> {
  return lookup.catch(() => undefined);
}

function offers(answer: Answer<SrvRecord> | undefined): boolean {
  return answer?.records.some(({ target, port }) => target !== '.' && port > 0) === true;
}

function leadsToSip(answer: Answer<NaptrRecord> | undefined): boolean {
  return servicesOf(answer?.records ?? [], ['SIPS+D2T']).length > 0;
}
