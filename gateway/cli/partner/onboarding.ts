import type { ProofKind } from '../../../policies/trust.ts';
import type { Evidence } from '../../bridge/ports.ts';
import type { Security } from '../../dns/security.ts';
import type { Checked } from '../check/checked.ts';
import { inParallel } from '../check/in-parallel.ts';
import { error, ok, type Report, warning } from '../observation.ts';
import { lookUp } from './domain-sight.ts';
import { probeContext } from './probe-context.ts';
import { lookAtServer } from './server-sight.ts';

/** Servers looked at side by side. */
const WIDTH = 4;

/** What was seen of a domain that is to become a partner. */
export interface Seen {
  /** The strongest proof that held: what a policy may rely on. */
  readonly proof: ProofKind | undefined;
  readonly security: Security;
  /** Chat room domains that DNS knows. */
  readonly rooms: readonly string[];
}

export interface LookOptions {
  readonly at: Checked;
  /** The home domain that asks. */
  readonly home: string;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** What the policy is to accept whatever is seen; undefined where that is to be concluded. */
  readonly accept: readonly ProofKind[] | undefined;
}

/** Looks at a domain from outside, line by line. Rejects with a Fault of our own configuration, or of the signal. */
export async function lookAtDomain(domain: string, { at, home, report, signal, accept }: LookOptions): Promise<Seen> {
  using probe = await probeContext(at);
  report.progress(`asking DNS about ${domain}`);
  const { location, rooms, observations } = await lookUp(probe.resolver, domain, {
    dnssec: at.config.dns.dnssec,
    signal,
  });
  report.add(...observations);
  if (location === undefined) return { proof: undefined, security: 'insecure', rooms };
  const { endpoints, security } = location;
  report.progress(`looking at ${endpoints.length} ${endpoints.length === 1 ? 'server' : 'servers'} of ${domain}`);
  const onlooker = { probe, home, partner: domain, described: new Set<string>(), signal };
  const sights = await inParallel(endpoints, WIDTH, async (endpoint) => {
    const sight = await lookAtServer(endpoint, onlooker);
    report.add(...sight.observations);
    return sight;
  });
  signal.throwIfAborted();
  if (accept !== undefined) return { proof: undefined, security, rooms };
  const evidence = sights.flatMap((sight) => sight.evidence);
  return { proof: conclude(evidence, security, report), security, rooms };
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
