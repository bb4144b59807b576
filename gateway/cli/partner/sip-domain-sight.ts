import { endpointText } from '../../../policies/address.ts';
import { asFault } from '../../../policies/fault.ts';
import { servicesOf } from '../../dns/naptr.ts';
import type { Resolver, SrvRecord } from '../../dns/resolver.ts';
import { type Goal, locateSip, type Target } from '../../sip/trunk/locate.ts';
import { error, type Observation, ok, warning } from '../observation.ts';
import { hostText, type NamedServer } from './named-server.ts';
import { remedyFor } from './remedies.ts';

export interface SipSight {
  /** Where the gateway would connect, in its order; none where no server was found. */
  readonly targets: readonly Target[];
  /** Whether records of SIP over TLS led there; else they are what stands at the domain itself. */
  readonly named: boolean;
  /** What {@link FEDERATION} leads to. */
  readonly federation: readonly NamedServer[];
  readonly observations: readonly Observation[];
}

/** What Skype for Business and its like publish; RFC 3263 does not follow it. */
export const FEDERATION = '_sipfederationtls._tcp';
const SECURE = 'SIPS+D2T';
/** What a trunk does not speak. */
const OTHERS = ['SIP+D2T', 'SIP+D2U', 'SIP+D2S', 'SIP+D2W'];
/** Hosts of one list that a trunk tries. */
const HOSTS = 16;
/** Records told of one name; a domain that has more is told so. */
const TOLD = 16;

/** What DNS says of a SIP domain (RFC 3263 §4), line by line. Rejects with the reason of the signal only. */
export async function lookUpSip(resolver: Resolver, domain: string, signal: AbortSignal): Promise<SipSight> {
  const asked = resolver.naptr(domain, { signal }).catch(() => undefined);
  const [answer, federation] = await Promise.all([asked, offers(resolver, `${FEDERATION}.${domain}`, signal)]);
  signal.throwIfAborted();
  const records = answer?.records ?? [];
  const services = servicesOf(records, [SECURE]);
  const names = services.length > 0 ? services.map(({ name }) => name) : [`_sips._tcp.${domain}`];
  const servers = await Promise.all(names.map((name) => told(resolver, name, signal)));
  const named = services.length > 0 || servers.some((lines) => lines.length > 0);
  const others = named ? [] : servicesOf(records, OTHERS);
  const found = await located(resolver, { host: domain }, signal);
  return {
    targets: found.targets,
    named,
    federation,
    observations: [
      ...services.map(({ name }) => ok('dns', `NAPTR of ${domain} leads to ${name}, for SIP over TLS`)),
      ...others.map(({ service, name }) => unsecured(domain, service, name)),
      ...servers.flat(),
      ...(named || found.targets.length === 0 ? [] : [byItself(domain, found.targets)]),
      ...(named ? [] : federation.map((server) => unfollowed(domain, server))),
      ...found.observations,
    ],
  };
}

/** Where the servers are that a policy names. Rejects with the reason of the signal only. */
export async function lookUpHosts(resolver: Resolver, hosts: readonly Goal[], signal: AbortSignal): Promise<SipSight> {
  const tried = hosts.slice(0, HOSTS);
  const found = await Promise.all(tried.map((host) => located(resolver, host, signal)));
  const all = found.flatMap((one) => one.targets);
  const targets = [...new Map(all.map((target) => [endpointText(target), target])).values()];
  const observations = found.flatMap((one, index) => {
    const name = hostText(tried[index] ?? { host: '' });
    if (one.targets.length > 0)
      return [ok('dns', `trunk.hosts: ${name} is ${one.targets.map(endpointText).join(', ')}`)];
    const severity = targets.length === 0 ? error : warning;
    return one.observations.map(({ message, reason, remedy }) =>
      severity('dns', `${name}: ${message}`, { reason, remedy }),
    );
  });
  return { targets, named: true, federation: [], observations };
}

async function located(
  resolver: Resolver,
  goal: Goal,
  signal: AbortSignal,
): Promise<Pick<SipSight, 'targets' | 'observations'>> {
  try {
    const targets = await locateSip(resolver, goal, { tls: true, random: Math.random, signal });
    return { targets, observations: [] };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = asFault(thrown);
    return { targets: [], observations: [error('dns', message, { reason: code, remedy: remedyFor(code, 'sip') })] };
  }
}

/** The SRV records of one name, each with the addresses it leads to. */
async function told(resolver: Resolver, name: string, signal: AbortSignal): Promise<Observation[]> {
  const servers = await offers(resolver, name, signal);
  const lines = servers.slice(0, TOLD).map(async ({ host, port }) => {
    const what = `${name} leads to ${endpointText({ host, port })}`;
    const { targets, observations } = await located(resolver, { host, port }, signal);
    const [failed] = observations;
    if (failed === undefined) return ok('dns', `${what} (${targets.map((target) => target.host).join(', ')})`);
    const { message, reason, remedy } = failed;
    return warning('dns', `${what}: ${message}`, { reason, remedy });
  });
  const more = servers.length > TOLD ? [ok('dns', `${name} has ${servers.length - TOLD} records more`)] : [];
  return [...(await Promise.all(lines)), ...more];
}

/** A service that cannot be looked up is told where its servers are located. */
async function offers(resolver: Resolver, name: string, signal: AbortSignal): Promise<NamedServer[]> {
  const answer = await resolver.srv(name, { signal }).catch(() => undefined);
  signal.throwIfAborted();
  return (answer?.records ?? [])
    .filter(({ target, port }) => target !== '.' && port > 0)
    .toSorted((one: SrvRecord, other: SrvRecord) => one.priority - other.priority)
    .map(({ target, port }) => ({ host: target, port }));
}

function byItself(domain: string, targets: readonly Target[]): Observation {
  const where = targets.map(endpointText).join(', ');
  return ok('dns', `${domain} has no record of SIP over TLS, so what stands at its own address is tried: ${where}`);
}

function unsecured(domain: string, service: string, name: string): Observation {
  return warning('dns', `NAPTR of ${domain} leads to ${name} by ${service}, which is not SIP over TLS`, {
    remedy: 'ask the partner for a server that speaks SIP over TLS: a trunk speaks nothing else',
  });
}

function unfollowed(domain: string, server: NamedServer): Observation {
  const where = endpointText(server);
  return warning('dns', `${FEDERATION}.${domain} leads to ${where}, and RFC 3263 does not follow that name`, {
    remedy: `write \`trunk: { hosts: ["${where}"] }\` into the policy`,
  });
}
