import { isIP } from 'node:net';
import { foldDomain } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import { servicesOf } from '../../dns/naptr.ts';
import type { LookupOptions, Resolver, SrvRecord } from '../../dns/resolver.ts';
import { drawOrder } from '../../dns/srv.ts';

/** One place where a SIP server listens. */
export interface Target {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** What a URI or an administrator names: a domain, a host, or an IP address. */
export interface Goal {
  readonly host: string;
  /** Given, it is the port of the host itself: no SRV, no NAPTR (RFC 3263 §4.2). */
  readonly port?: number | undefined;
}

export interface LocateSipOptions extends LookupOptions {
  /** TLS alone, never anything that could end in clear; else TCP. */
  readonly tls: boolean;
  /** Uniform in [0, 1), for the draw of RFC 2782. */
  readonly random: () => number;
}

/** A domain must not make us knock at every door it names. */
const MAX_TARGETS = 16;
/** Hosts looked up for one goal: each costs two lookups. */
const MAX_HOSTS = 8;
/** NAPTR services followed; each is one lookup. */
const MAX_SERVICES = 4;

const TRANSPORTS = {
  tls: { service: 'SIPS+D2T', label: '_sips._tcp', port: 5061 },
  tcp: { service: 'SIP+D2T', label: '_sip._tcp', port: 5060 },
} as const;

/** Where a server of the domain is, by name. */
type Host = Target;

/**
 * Finds the servers of a SIP domain in the order to try: RFC 3263 §4, with one transport allowed. Never empty.
 *
 * Throws Fault `dns-not-found` (no such domain), `dns-service-refused` (it declares to have no such service),
 * `remote-not-found` (its records name nothing usable), and what the lookups of the resolver throw.
 */
export async function locateSip(resolver: Resolver, goal: Goal, options: LocateSipOptions): Promise<readonly Target[]> {
  const transport = options.tls ? TRANSPORTS.tls : TRANSPORTS.tcp;
  const host = foldDomain(goal.host) ?? goal.host;
  const literal = host.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) return [{ host: literal, port: goal.port ?? transport.port }];
  if (foldDomain(host) === undefined) {
    throw new Fault('dns-not-found', `${JSON.stringify(goal.host)} is no domain name.`);
  }
  if (goal.port !== undefined) return addressesOf(resolver, [{ host, port: goal.port }], options);

  const names = await serviceNames(resolver, host, transport, options);
  const records = await servers(resolver, names, options);
  const offers = records.flat().filter(({ target, port }) => target !== '.' && port > 0);
  if (offers.length > 0) {
    const drawn = records.flatMap((group) =>
      drawOrder(
        group.filter((record) => offers.includes(record)),
        options.random,
      ),
    );
    return addressesOf(
      resolver,
      drawn.map(({ target, port }) => ({ host: target, port })),
      options,
    );
  }
  if (records.flat().length > 0) throw nothingOffered(host, records.flat());
  return addressesOf(resolver, [{ host, port: transport.port }], options);
}

/** The names of the SRV records: those of the NAPTR records, or the well-known one. */
async function serviceNames(
  resolver: Resolver,
  domain: string,
  { service, label }: { readonly service: string; readonly label: string },
  options: LookupOptions,
): Promise<readonly string[]> {
  // Where NAPTR cannot be asked, such as behind a filter, SRV may still be (RFC 3263 §4.1 lets it be left out).
  const answer = await resolver.naptr(domain, options).catch(noFault);
  options.signal?.throwIfAborted();
  const services = servicesOf(answer?.records ?? [], [service]).slice(0, MAX_SERVICES);
  return services.length > 0 ? services.map(({ name }) => name) : [`${label}.${domain}`];
}

/** The SRV records of each name. Throws what the lookups throw where none of them has any. */
async function servers(
  resolver: Resolver,
  names: readonly string[],
  options: LookupOptions,
): Promise<readonly (readonly SrvRecord[])[]> {
  const lookups = await Promise.allSettled(names.map((name) => resolver.srv(name, options)));
  options.signal?.throwIfAborted();
  const groups = lookups.map((lookup) => (lookup.status === 'fulfilled' ? lookup.value.records : []));
  const failed = lookups.find((lookup) => lookup.status === 'rejected');
  if (failed !== undefined && groups.flat().length === 0) throw failed.reason;
  return groups;
}

/** The addresses of the hosts in their order; of one host the families in turn, IPv6 first. */
async function addressesOf(
  resolver: Resolver,
  hosts: readonly Host[],
  options: LookupOptions,
): Promise<readonly Target[]> {
  const found = await Promise.allSettled(hosts.slice(0, MAX_HOSTS).map((host) => addresses(resolver, host, options)));
  options.signal?.throwIfAborted();
  const targets = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (targets.length > 0) return unique(targets).slice(0, MAX_TARGETS);
  const failed = found.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const [host] = hosts;
  throw hosts.length > 1
    ? new Fault('remote-not-found', `The servers of the SRV records, such as ${host?.host}, have no address.`)
    : new Fault('dns-not-found', `DNS knows no address of ${host?.host}.`);
}

async function addresses(resolver: Resolver, { host, port }: Host, options: LookupOptions): Promise<Target[]> {
  if (isIP(host) !== 0) return [{ host, port }];
  const [v6, v4] = await Promise.allSettled([resolver.aaaa(host, options), resolver.a(host, options)]);
  const ipv6 = v6.status === 'fulfilled' ? v6.value.records : [];
  const ipv4 = v4.status === 'fulfilled' ? v4.value.records : [];
  if (ipv6.length + ipv4.length === 0) {
    for (const lookup of [v4, v6]) if (lookup.status === 'rejected') throw lookup.reason;
  }
  const inTurn = Array.from({ length: Math.max(ipv6.length, ipv4.length) }, (_, at) => [ipv6[at], ipv4[at]]).flat();
  return inTurn.filter((address) => address !== undefined).map((address) => ({ host: address, port }));
}

function unique(targets: readonly Target[]): Target[] {
  return [...new Map(targets.map((target) => [`${target.host} ${target.port}`, target])).values()];
}

/** SRV records without an offer forbid the fallback; only a `.` says so on purpose (RFC 2782). */
function nothingOffered(domain: string, records: readonly SrvRecord[]): Fault {
  if (records.some(({ target }) => target === '.')) {
    return new Fault('dns-service-refused', `${domain} declares that it has no such SIP server.`);
  }
  return new Fault('remote-not-found', `The SRV records of ${domain} name no usable SIP server.`);
}

function noFault(error: unknown): undefined {
  if (!(error instanceof Fault)) throw error;
}
