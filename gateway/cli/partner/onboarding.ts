import type { ProofKind } from '../../../policies/trust.ts';
import type { Evidence } from '../../bridge/ports.ts';
import type { Security } from '../../dns/security.ts';
import { inParallel } from '../check/in-parallel.ts';
import { error, ok, type Report, warning } from '../observation.ts';
import { lookUp } from './domain-sight.ts';
import { type ProbeContext, probeContext } from './probe-context.ts';
import { guessProtocol } from './protocol-sight.ts';
import type { LookOptions, Seen } from './seen.ts';
import { lookAtServer } from './server-sight.ts';
import { lookAtTrunk } from './trunk-onboarding.ts';

/** Servers looked at side by side. */
const WIDTH = 4;

/** Looks at a domain from outside, line by line. Rejects with a Fault of our own configuration, or of the signal. */
export async function lookAtDomain(domain: string, options: LookOptions): Promise<Seen> {
  const { report, signal } = options;
  using probe = await probeContext(options.at);
  report.progress(`asking DNS about ${domain}`);
  const via = options.via ?? (await guessProtocol(probe.resolver, domain, signal));
  if (via === 'xmpp') return await lookAtServers(domain, probe, options);
  if (options.via === undefined) report.add(ok('dns', `${domain} names SIP servers and no XMPP server: it speaks SIP`));
  return await lookAtTrunk(domain, probe, options);
}

async function lookAtServers(
  domain: string,
  probe: ProbeContext,
  { at, home, report, signal, accept }: LookOptions,
): Promise<Seen> {
  const seen = { via: 'xmpp', hosts: [] } as const;
  const { location, rooms, observations } = await lookUp(probe.resolver, domain, {
    dnssec: at.config.dns.dnssec,
    signal,
  });
  report.add(...observations);
  if (location === undefined) return { ...seen, proof: undefined, security: 'insecure', rooms };
  const { endpoints, security } = location;
  report.progress(`looking at ${endpoints.length} ${endpoints.length === 1 ? 'server' : 'servers'} of ${domain}`);
  const onlooker = { probe, home, partner: domain, described: new Set<string>(), signal };
  const sights = await inParallel(endpoints, WIDTH, async (endpoint) => {
    const sight = await lookAtServer(endpoint, onlooker);
    report.add(...sight.observations);
    return sight;
  });
  signal.throwIfAborted();
  if (accept !== undefined) return { ...seen, proof: undefined, security, rooms };
  const evidence = sights.flatMap((sight) => sight.evidence);
  return { ...seen, proof: conclude(evidence, security, report), security, rooms };
}

/** The strongest proof that held at a server: a certificate before dialback, which is as strong as DNS. */
function conclude(evidence: readonly Evidence[], security: Security, report: Report): ProofKind | undefined {
  const held = (kind: ProofKind): boolean => evidence.some(({ proof, holds }) => proof === kind && holds);
  if (held('certificate')) {
    report.add(ok('proof', 'a certificate proves this partner: the policy accepts that and nothing weaker'));
    return 'certificate';
  }
  if (held('dialback')) {
    const strength =
      security === 'secure'
        ? 'it is as strong as the DNSSEC of the domain'
        : 'whoever can forge DNS answers on the way can pass for this partner';
    const remedy =
      'better: get its authority’s certificate, list it under `tls.trust`, and accept `certificate` instead';
    report.add(warning('proof', `only dialback proves this partner: ${strength}`, { remedy }));
    return 'dialback';
  }
  report.add(
    error('proof', 'nothing that was seen proves this partner', {
      reason: 'trust-insufficient',
      remedy: 'mend what the lines above say; or choose what its policy accepts with `--accept certificate`',
    }),
  );
  return undefined;
}
