import type { Place } from '../../../policies/fault.ts';
import { Resolver, type SrvRecord } from '../../dns/resolver.ts';
import { error, type Observation, ofThrown, ok, warning } from '../observation.ts';
import { inParallel } from './in-parallel.ts';
import type { Checked } from './key-places.ts';

/** One lookup with its retries, ms: two follow on each other, and a domain is to be done in 5 s. */
const LOOKUP_MS = 2_400;
/** Domains looked up at a time. */
const WIDTH = 64;
const SERVER_PORT = 5269;

type Tls = 'starttls' | 'direct';
const services: Readonly<Record<Tls, string>> = { starttls: '_xmpp-server._tcp', direct: '_xmpps-server._tcp' };

/** Whether partners find the home domains: RFC 6120 §3.2, and XEP-0368 for direct TLS. */
export async function checkDns({ config, place }: Checked): Promise<Observation[]> {
  const { servers, dnssec, trusted } = config.dns;
  let resolver: Resolver;
  try {
    resolver = new Resolver({
      servers,
      dnssec: dnssec === 'off' ? 'off' : 'trust-ad',
      trusted,
      timeoutMs: Math.min(config.dns.timeout, LOOKUP_MS),
      attempts: 1,
    });
  } catch (thrown) {
    return [ofThrown('dns', thrown, place('dns'))];
  }
  const { listen, directTls } = config.edges.xmpp;
  const ports = {
    starttls: new Set(listen.map(({ port }) => port)),
    direct: new Set(directTls.map(({ port }) => port)),
  };
  let offLine: unknown;
  try {
    const found = await inParallel(config.home.domains, WIDTH, async (domain, index) => {
      if (offLine !== undefined) return [];
      try {
        return await new HomeDomain(domain, place('home', 'domains', index), resolver, ports).check();
      } catch (thrown) {
        offLine ??= thrown;
        return [];
      }
    });
    return [...(offLine === undefined ? [] : [unanswered(offLine, servers, place('dns'))]), ...found.flat()];
  } finally {
    resolver.close();
  }
}

function unanswered(thrown: unknown, servers: readonly string[], place: Place): Observation {
  const { message } = ofThrown('dns', thrown);
  return warning('dns', `off line: the home domains cannot be looked up at ${servers.join(', ')}: ${message}`, {
    place,
    remedy: 'check `dns.servers`, and that a firewall lets UDP and TCP port 53 through',
  });
}

interface Offer extends SrvRecord {
  readonly tls: Tls;
}

/** What DNS says of one home domain. Faults of the resolver are thrown. */
class HomeDomain {
  readonly #domain: string;
  readonly #place: Place;
  readonly #resolver: Resolver;
  readonly #ports: Readonly<Record<Tls, ReadonlySet<number>>>;

  constructor(domain: string, place: Place, resolver: Resolver, ports: Readonly<Record<Tls, ReadonlySet<number>>>) {
    this.#domain = domain;
    this.#place = place;
    this.#resolver = resolver;
    this.#ports = ports;
  }

  async check(): Promise<Observation[]> {
    const records = await Promise.all([this.#records('starttls'), this.#records('direct')]);
    const offers = records.flat().filter(({ target, port }) => target !== '.' && port > 0);
    if (offers.length > 0) return (await Promise.all(offers.map((offer) => this.#offer(offer)))).flat();
    if (records.flat().length === 0) return [await this.#fallback()];
    return [this.#wrong('declares in DNS that it has no XMPP server')];
  }

  async #records(tls: Tls): Promise<Offer[]> {
    const { records } = await this.#resolver.srv(`${services[tls]}.${this.#domain}`);
    return records.map((record) => ({ ...record, tls }));
  }

  async #offer({ tls, target, port }: Offer): Promise<Observation[]> {
    const addresses = await this.#addresses(target);
    const record = `${services[tls]}.${this.#domain}`;
    if (addresses.length === 0)
      return [this.#wrong(`has a record ${record} that names ${target}, which has no address`)];
    const found = ok('dns', `${record} leads to ${target}:${port} (${addresses.join(', ')})`);
    if (this.#ports[tls].has(port)) return [found];
    const message = `${record} names port ${port}, and no ${tls === 'direct' ? 'directTls' : 'listen'} address has it`;
    const remedy = 'nothing to do if a firewall forwards that port; else change the record or the listener';
    return [found, warning('dns', message, { place: this.#place, remedy })];
  }

  /** Without records partners try the domain itself (RFC 6120 §3.2.2). */
  async #fallback(): Promise<Observation> {
    const addresses = await this.#addresses(this.#domain);
    const detail = { place: this.#place, remedy: this.#recordToAdd() };
    return addresses.length === 0
      ? warning('dns', `DNS knows neither a server nor an address of ${this.#domain}: partners cannot find it`, detail)
      : warning(
          'dns',
          `${this.#domain} has no SRV record: partners try ${addresses.join(', ')}, port ${SERVER_PORT}`,
          detail,
        );
  }

  async #addresses(host: string): Promise<string[]> {
    const answers = await Promise.all([this.#resolver.a(host), this.#resolver.aaaa(host)]);
    return answers.flatMap(({ records }) => records);
  }

  #wrong(message: string): Observation {
    return error('dns', `${this.#domain} ${message}`, { place: this.#place, remedy: this.#recordToAdd() });
  }

  #recordToAdd(): string {
    const [port = SERVER_PORT] = this.#ports.starttls;
    return `publish \`${services.starttls}.${this.#domain}. SRV 0 5 ${port || SERVER_PORT} <name of the gateway>.\``;
  }
}
