import type { Place } from '../../../policies/fault.ts';
import { Resolver, type SrvRecord } from '../../dns/resolver.ts';
import { error, type Observation, ofThrown, ok, warning } from '../observation.ts';
import type { Checked } from './checked.ts';
import { inParallel } from './in-parallel.ts';
import { type FailedLookup, type Looked, Lookups } from './lookups.ts';

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
  const lookups = new Lookups(resolver);
  let skipped = 0;
  try {
    const found = await inParallel(config.home.domains, WIDTH, async (domain, index) => {
      if (lookups.offLine === undefined || index < WIDTH) {
        return new HomeDomain(domain, place('home', 'domains', index), lookups, ports).check();
      }
      skipped++;
      return [];
    });
    if (lookups.offLine !== undefined) return [offLine(lookups.offLine, servers, place('dns'))];
    if (skipped === 0) return found.flat();
    return [...found.flat(), warning('dns', `${skipped} further home domains were not looked up`)];
  } finally {
    resolver.close();
  }
}

function offLine(message: string, servers: readonly string[], place: Place): Observation {
  return warning('dns', `off line: the home domains cannot be looked up at ${servers.join(', ')}: ${message}`, {
    place,
    remedy: 'check `dns.servers`, and that a firewall lets UDP and TCP port 53 through',
  });
}

interface Offer extends SrvRecord {
  readonly tls: Tls;
}

/** What DNS says of one home domain, and where it does not answer. */
class HomeDomain {
  readonly #domain: string;
  readonly #place: Place;
  readonly #lookups: Lookups;
  readonly #ports: Readonly<Record<Tls, ReadonlySet<number>>>;

  constructor(domain: string, place: Place, lookups: Lookups, ports: Readonly<Record<Tls, ReadonlySet<number>>>) {
    this.#domain = domain;
    this.#place = place;
    this.#lookups = lookups;
    this.#ports = ports;
  }

  async check(): Promise<Observation[]> {
    const looked = await Promise.all([this.#records('starttls'), this.#records('direct')]);
    const records = looked.flatMap((one) => one.records);
    const failures = looked.flatMap(({ failed }) => failed.map((one) => this.#failure(one)));
    const offers = records.filter(({ target, port }) => target !== '.' && port > 0);
    if (offers.length > 0) {
      const offered = await Promise.all(offers.map((offer) => this.#offer(offer)));
      return [...offered.flat(), ...failures];
    }
    // Whether there is a record, and what it says, is not known then.
    if (failures.length > 0) return failures;
    if (records.length === 0) return this.#fallback();
    return [this.#wrong('declares in DNS that it has no XMPP server')];
  }

  async #records(tls: Tls): Promise<Looked<Offer>> {
    const { records, failed } = await this.#lookups.srv(`${services[tls]}.${this.#domain}`);
    return { records: records.map((record) => ({ ...record, tls })), failed };
  }

  async #offer({ tls, target, port }: Offer): Promise<Observation[]> {
    const { records: addresses, failed } = await this.#lookups.addresses(target);
    const failures = failed.map((one) => this.#failure(one));
    const record = `${services[tls]}.${this.#domain}`;
    if (addresses.length === 0) {
      if (failures.length > 0) return failures;
      return [this.#wrong(`has a record ${record} that names ${target}, which has no address`)];
    }
    const found = ok('dns', `${record} leads to ${target}:${port} (${addresses.join(', ')})`);
    if (this.#ports[tls].has(port)) return [found, ...failures];
    const message = `${record} names port ${port}, and no ${tls === 'direct' ? 'directTls' : 'listen'} address has it`;
    const remedy = 'nothing to do if a firewall forwards that port; else change the record or the listener';
    return [found, ...failures, warning('dns', message, { place: this.#place, remedy })];
  }

  /** Without records partners try the domain itself (RFC 6120 §3.2.2). */
  async #fallback(): Promise<Observation[]> {
    const { records: addresses, failed } = await this.#lookups.addresses(this.#domain);
    const failures = failed.map((one) => this.#failure(one));
    if (addresses.length === 0 && failures.length > 0) return failures;
    const message =
      addresses.length === 0
        ? `DNS knows neither a server nor an address of ${this.#domain}: partners cannot find it`
        : `${this.#domain} has no SRV record: partners try ${addresses.join(', ')}, port ${SERVER_PORT}`;
    return [warning('dns', message, { place: this.#place, remedy: this.#recordToAdd() }), ...failures];
  }

  #failure({ what, message }: FailedLookup): Observation {
    const remedy = 'partners may meet the same: look at the name servers of that zone, and at `dns.servers`';
    return warning('dns', `the lookup of ${what} failed: ${message}`, { place: this.#place, remedy });
  }

  #wrong(message: string): Observation {
    return error('dns', `${this.#domain} ${message}`, { place: this.#place, remedy: this.#recordToAdd() });
  }

  #recordToAdd(): string {
    const [port = SERVER_PORT] = this.#ports.starttls;
    return `publish \`${services.starttls}.${this.#domain}. SRV 0 5 ${port || SERVER_PORT} <name of the gateway>.\``;
  }
}
