import { endpointText } from '../../../policies/address.ts';
import { asFault, systemText } from '../../../policies/fault.ts';
import { type Endpoint, type Location, locateXmppServer } from '../../dns/locate.ts';
import type { Resolver, SrvRecord } from '../../dns/resolver.ts';
import { error, type Observation, ok, warning } from '../observation.ts';
import { remedyFor } from './remedies.ts';

/** Subdomains at which servers have their chat rooms as they come. */
const ROOMS = ['conference', 'muc', 'rooms', 'chat'];
/** RFC 3263 §4.2, and what Skype for Business and its like publish for federation. */
const SIP_SERVICES = ['_sips._tcp', '_sipfederationtls._tcp'];

export interface DomainSight {
  /** Undefined where no server was found. */
  readonly location: Location | undefined;
  /** Subdomains with an XMPP server of their own in DNS. */
  readonly rooms: readonly string[];
  readonly observations: readonly Observation[];
}

export interface SightOptions {
  readonly dnssec: 'off' | 'trust-ad' | 'validate';
  readonly signal: AbortSignal;
}

/** What DNS says of a partner's domain. Rejects with the reason of the signal only. */
export async function lookUp(resolver: Resolver, domain: string, options: SightOptions): Promise<DomainSight> {
  const [servers, sip, rooms] = await Promise.all([
    locate(resolver, domain, options),
    sipServices(resolver, domain, options),
    roomsOf(resolver, domain, options),
  ]);
  return { location: servers.location, rooms, observations: [...servers.observations, ...sip] };
}

/** Where the XMPP servers of a domain are: RFC 6120 §3.2, XEP-0368. Rejects with the reason of the signal only. */
export async function locate(
  resolver: Resolver,
  domain: string,
  { dnssec, signal }: SightOptions,
): Promise<Omit<DomainSight, 'rooms'>> {
  try {
    const location = await locateXmppServer(resolver, domain, { random: Math.random, signal });
    const found = location.endpoints.map((endpoint) => observeEndpoint(resolver, domain, endpoint, signal));
    return { location, observations: [...(await Promise.all(found)), security(location, dnssec)] };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = asFault(thrown);
    return { location: undefined, observations: [error('dns', message, { reason: code, remedy: remedyFor(code) })] };
  }
}

async function observeEndpoint(
  resolver: Resolver,
  domain: string,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Observation> {
  const { host, port, tls, viaSrv } = endpoint;
  const asked = await Promise.allSettled([resolver.a(host, { signal }), resolver.aaaa(host, { signal })]);
  signal.throwIfAborted();
  const addresses = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value.records : []));
  const server = endpointText({ host, port });
  const service = `${tls === 'direct' ? '_xmpps-server' : '_xmpp-server'}._tcp.${domain}`;
  const what = viaSrv ? `${service} leads to ${server}` : `${domain} has no SRV record, so ${server} is tried`;
  const how = tls === 'direct' ? 'direct TLS' : 'STARTTLS';
  if (addresses.length > 0 || host === domain) {
    return ok('dns', `${what} with ${how}${addresses.length === 0 ? '' : ` (${addresses.join(', ')})`}`);
  }
  const failed = asked.find((one) => one.status === 'rejected');
  const why = failed === undefined ? 'which has no address' : `whose lookup failed: ${systemText(failed.reason)}`;
  const reason = failed === undefined ? 'remote-not-found' : asFault(failed.reason).code;
  return warning('dns', `${what}, ${why}`, { reason, remedy: remedyFor(reason) });
}

function security({ security: found }: Location, dnssec: SightOptions['dnssec']): Observation {
  if (found === 'secure') return ok('dns', 'DNSSEC: the resolver has validated every answer that led here');
  if (dnssec === 'trust-ad')
    return ok('dns', 'DNSSEC: not all answers are validated: the zone is unsigned, or the resolver looks away');
  return ok('dns', `DNSSEC: not known, as \`dns.dnssec\` is ${dnssec}`);
}

/** A service that cannot be looked up is told by the XMPP lookups already. */
async function srv(resolver: Resolver, name: string, signal: AbortSignal): Promise<readonly SrvRecord[]> {
  try {
    const { records } = await resolver.srv(name, { signal });
    return records.filter(({ target, port }) => target !== '.' && port > 0);
  } catch {
    signal.throwIfAborted();
    return [];
  }
}

async function sipServices(resolver: Resolver, domain: string, { signal }: SightOptions): Promise<Observation[]> {
  const found = SIP_SERVICES.map(async (service) => {
    const records = await srv(resolver, `${service}.${domain}`, signal);
    return records.map(({ target, port }) =>
      ok(
        'sip',
        `${service}.${domain} leads to ${endpointText({ host: target, port })}; for a trunk write \`speaks: sip\``,
      ),
    );
  });
  return (await Promise.all(found)).flat();
}

async function roomsOf(resolver: Resolver, domain: string, { signal }: SightOptions): Promise<string[]> {
  const found = ROOMS.map(async (label) => {
    const name = `${label}.${domain}`;
    const records = ['_xmpp-server', '_xmpps-server'].map((service) =>
      srv(resolver, `${service}._tcp.${name}`, signal),
    );
    return (await Promise.all(records)).flat().length > 0 ? [name] : [];
  });
  return (await Promise.all(found)).flat();
}
