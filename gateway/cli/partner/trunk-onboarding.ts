import { endpointText } from '../../../policies/address.ts';
import { PLAIN_TRUNK } from '../../../policies/schema/trunk.ts';
import type { TrunkOptions } from '../../sip/trunk/trunk-options.ts';
import { inParallel } from '../check/in-parallel.ts';
import { error, ok, type Report } from '../observation.ts';
import type { NamedServer } from './named-server.ts';
import type { ProbeContext } from './probe-context.ts';
import type { LookOptions, Seen } from './seen.ts';
import { FEDERATION, lookUpHosts, lookUpSip } from './sip-domain-sight.ts';
import { lookAtTarget } from './trunk-sight.ts';
import { shown, trunkProbe } from './trunk-test.ts';

/** Servers looked at side by side. */
const WIDTH = 4;
/** How long one server may take, ms. */
const LIMIT_MS = 15_000;

/** Looks at the SIP servers of a domain from outside, line by line. Rejects as `lookAtDomain` does. */
export async function lookAtTrunk(domain: string, probe: ProbeContext, options: LookOptions): Promise<Seen> {
  const { at, home, report, signal, accept } = options;
  const { targets, named, federation, observations } = await lookUpSip(probe.resolver, domain, signal);
  const hosts: readonly NamedServer[] = named ? [] : federation;
  // What stands at the domain itself is its web server, where the partner names another place.
  const sight = hosts.length === 0 ? { targets, observations: [] } : await lookUpHosts(probe.resolver, hosts, signal);
  const seen = { via: 'sip', security: 'insecure', rooms: [], hosts } as const;
  report.add(...(hosts.length === 0 ? observations : [...hosts.map(followed(domain)), ...sight.observations]));
  if (sight.targets.length === 0) return { ...seen, proof: undefined };
  const trunk = newTrunk(domain, home);
  report.add(...shown(at, probe, trunk));
  const { length } = sight.targets;
  report.progress(`looking at ${length} ${length === 1 ? 'server' : 'servers'} of ${domain}`);
  const sip = trunkProbe(at, probe, trunk);
  try {
    const onlooker = { probe, sip, trunk, described: new Set<string>(), signal, limitMs: LIMIT_MS };
    const sights = await inParallel(sight.targets, WIDTH, async (target) => {
      const one = await lookAtTarget(target, onlooker);
      report.add(...one.observations);
      return one;
    });
    signal.throwIfAborted();
    if (accept !== undefined) return { ...seen, proof: undefined };
    const held = sights.some(({ evidence }) => evidence?.holds === true);
    return { ...seen, proof: conclude(held, report) };
  } finally {
    await sip.close();
  }
}

function conclude(held: boolean, report: Report): 'certificate' | undefined {
  if (held) {
    report.add(
      ok('proof', 'a certificate proves this partner: the policy accepts that, as a trunk has no other proof'),
    );
    return 'certificate';
  }
  report.add(
    error('proof', 'nothing that was seen proves this partner', {
      reason: 'trust-insufficient',
      remedy: 'mend what the lines above say; or write the policy all the same with `--accept certificate`',
    }),
  );
  return undefined;
}

const followed = (domain: string) => (server: NamedServer) =>
  ok('dns', `${FEDERATION}.${domain} leads to ${endpointText(server)}, which the policy names as \`trunk.hosts\``);

/** The trunk that the new policy comes to. */
function newTrunk(domain: string, home: string): TrunkOptions {
  const { allowWildcardCertificate } = PLAIN_TRUNK;
  return {
    id: domain,
    kind: 'partner',
    domain,
    domains: [domain],
    tls: true,
    localDomain: home,
    allowWildcardCertificate,
  };
}
