import { fingerprint } from '../../../pki/verify.ts';
import { endpointText } from '../../../policies/address.ts';
import { asFault } from '../../../policies/fault.ts';
import type { Evidence } from '../../bridge/ports.ts';
import type { Flow } from '../../sip/transport/flow.ts';
import { DomainCertificate } from '../../sip/trunk/domain-certificate.ts';
import type { Target } from '../../sip/trunk/locate.ts';
import type { TrunkOptions } from '../../sip/trunk/trunk-options.ts';
import { type Observation, ok, warning } from '../observation.ts';
import { timeLimit } from '../time-limit.ts';
import { describeChain } from './certificate-sight.ts';
import type { ProbeContext } from './probe-context.ts';
import { remedyFor } from './remedies.ts';
import type { TrunkProbe } from './trunk-probe.ts';

export interface TrunkOnlooker {
  readonly probe: ProbeContext;
  readonly sip: TrunkProbe;
  readonly trunk: TrunkOptions;
  /** Fingerprints of the certificates that were described already. */
  readonly described: Set<string>;
  readonly signal: AbortSignal;
  /** How long it may take with one server, ms. */
  readonly limitMs: number;
}

/** What the certificate of a server proves, as a trunk judges it (RFC 5922), and what it says of itself. */
export function readCertificate(
  { peer: { chain } }: Pick<Flow, 'peer'>,
  { probe: { anchors }, trunk, described }: Pick<TrunkOnlooker, 'probe' | 'trunk' | 'described'>,
): { readonly evidence: Evidence; readonly observations: readonly Observation[] } {
  const { domain, purpose = 'sip', allowWildcardCertificate: wildcards = false } = trunk;
  const certificate = new DomainCertificate(anchors, Date.now);
  const evidence = certificate.evidence(domain, chain, { wildcards, purpose });
  const byWildcard = evidence.reason === 'certificate-wrong-name' && !wildcards;
  const wild = byWildcard && certificate.evidence(domain, chain, { wildcards: true, purpose }).holds;
  return {
    evidence,
    observations: [...describeOnce(chain, anchors, described), ...(wild ? [wildcardOnly(domain)] : [])],
  };
}

/**
 * What one server shows to whoever connects; nothing is sent to it. Resolves with the evidence of its certificate,
 * undefined where none was shown. Rejects with the reason of the signal only.
 */
export async function lookAtTarget(
  target: Target,
  by: TrunkOnlooker,
): Promise<{ readonly evidence: Evidence | undefined; readonly observations: readonly Observation[] }> {
  const server = endpointText(target);
  using limit = timeLimit(by.limitMs, by.signal);
  try {
    const flow = await by.sip.connect(target, limit.signal);
    const { evidence, observations } = readCertificate(flow, by);
    flow.close();
    const proof = evidence.holds
      ? ok('proof', `${server}: its certificate proves the domain`)
      : warning('proof', `${server}: its certificate proves nothing: ${evidence.detail}`, {
          reason: evidence.reason,
          remedy: remedyFor(evidence.reason, 'sip'),
        });
    return { evidence, observations: [ok('connection', `${server} accepts, over TLS`), ...observations, proof] };
  } catch (thrown) {
    by.signal.throwIfAborted();
    const { code, message } = asFault(thrown);
    const detail = { reason: code, remedy: remedyFor(code, 'sip') };
    return { evidence: undefined, observations: [warning('connection', `${server}: ${message}`, detail)] };
  }
}

/** Servers of one partner often share a certificate. */
function describeOnce(
  chain: readonly Buffer[],
  anchors: ProbeContext['anchors'],
  described: Set<string>,
): readonly Observation[] {
  const [leaf] = chain;
  if (leaf === undefined) return [];
  const name = fingerprint(leaf);
  if (described.has(name)) return [ok('tls', 'its certificate is the same')];
  described.add(name);
  return describeChain(chain, { anchors, now: new Date(), via: 'sip' });
}

function wildcardOnly(domain: string): Observation {
  return warning('tls', `the certificate names ${domain} by a wildcard only, which RFC 5922 §7.2 does not take`, {
    remedy: 'ask for one that names the domain itself, or write `trunk: { allowWildcardCertificate: true }`',
  });
}
