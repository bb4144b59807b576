import { namesSipDomain } from '../../../pki/sip-identity.ts';
import type { Fault } from '../../../policies/fault.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import type { TrunkOptions } from '../../sip/trunk/trunk-options.ts';
import { SipCertificates } from '../../sip-certificates.ts';
import { partnerTrunk } from '../../sip-trunks.ts';
import type { Checked } from '../check/checked.ts';
import { error, type Observation, ok, type Report, warning } from '../observation.ts';
import type { ProbeContext } from './probe-context.ts';
import { remedyFor } from './remedies.ts';
import { lookUpHosts, lookUpSip } from './sip-domain-sight.ts';
import { TrunkProbe } from './trunk-probe.ts';
import { tryTarget } from './trunk-trial.ts';

export interface TrunkTest {
  readonly at: Checked;
  readonly probe: ProbeContext;
  readonly partner: PartnerPolicy;
  /** The home domain that we speak for; undefined: the one that the trunk shows. */
  readonly home: string | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Where `edges.sip` does not say, ms: its own default. */
const CONNECT_MS = 10_000;
/** How long a server may take from the connection to its answer, ms: one on the other side of the world takes one. */
const ANSWER_MS = 5_000;

/**
 * Opens the trunk of a partner to each of its servers, in the order the gateway would try them, asks OPTIONS, and reports
 * step by step. One that is good suffices for traffic: then what is wrong with the others is a warning. Resolves with the
 * home domain that it spoke for.
 */
export async function testTrunk(test: TrunkTest): Promise<string> {
  const { at, probe, partner, report, signal } = test;
  const trunk = trunkOf(test);
  report.add(...circumstances(at, partner), ...shown(at, probe, trunk));
  report.progress(`asking DNS about ${trunk.domain}`);
  const { targets: hosts, domain } = trunk;
  const sight = await (hosts === undefined
    ? lookUpSip(probe.resolver, domain, signal)
    : lookUpHosts(probe.resolver, hosts, signal));
  report.add(...sight.observations);
  const connectMs = at.config.edges.sip?.connectTimeout ?? CONNECT_MS;
  const sip = trunkProbe(at, probe, trunk);
  try {
    const failures: Fault[] = [];
    const described = new Set<string>();
    const limitMs = connectMs + ANSWER_MS;
    const say = report.add.bind(report);
    for (const target of sight.targets) {
      report.progress(`trying ${target.host}:${target.port}`);
      const trial = { probe, sip, trunk, described, signal, limitMs, trust: partner.trust, say };
      const failure = await tryTarget(target, trial);
      if (failure !== undefined) failures.push(failure);
    }
    conclude(sight.targets.length, failures, trunk, report);
    return trunk.localDomain;
  } finally {
    await sip.close();
  }
}

/** A probe that shows what the gateway of this configuration would. It holds timers: close it in any case. */
export function trunkProbe({ config }: Checked, { certificates }: ProbeContext, trunk: TrunkOptions): TrunkProbe {
  const { sip } = config.edges;
  const own = new SipCertificates(certificates, sip?.tls.minVersion ?? 'TLSv1.2');
  const secureContextFor = own.contextFor.bind(own);
  return new TrunkProbe({ trunk, secureContextFor, connectMs: sip?.connectTimeout ?? CONNECT_MS });
}

/** Whether we can prove who we are. */
export function shown(
  { place }: Checked,
  { certificates }: ProbeContext,
  { localDomain }: TrunkOptions,
): Observation[] {
  if (certificates.some(({ identities }) => namesSipDomain(identities, localDomain))) {
    return [ok('tls', `we show a certificate that names ${localDomain}`)];
  }
  return [
    warning('tls', `none of our certificates names ${localDomain} as SIP reads it (RFC 5922)`, {
      place: place('tls', 'certificates'),
      remedy: `get one with the DNS name ${localDomain}, without a wildcard: a careful partner refuses us`,
    }),
  ];
}

function trunkOf({ at, partner, home }: TrunkTest): TrunkOptions {
  const trunk = partnerTrunk(at.config, partner);
  return home === undefined ? trunk : { ...trunk, localDomain: home };
}

/** What keeps the gateway from this trunk, however well it works. */
function circumstances({ config, place }: Checked, { name, speaks, otherProtocol }: PartnerPolicy): Observation[] {
  const { sip } = config.edges;
  const [idle, through]: Observation[][] = [
    speaks === 'xmpp'
      ? [
          warning('policies', `the policy says that ${name} speaks XMPP only, so nothing takes this trunk`, {
            reason: 'protocol-denied',
            place: otherProtocol.rule,
            remedy: 'write `speaks: sip`, or `auto`',
          }),
        ]
      : [],
    sip?.drachtio === undefined
      ? []
      : [
          warning('sip', 'trunks go through the drachtio server, and this probe connects by itself', {
            place: place('edges', 'sip', 'drachtio'),
            remedy: 'what it shows, and where it comes from, may be something else than here',
          }),
        ],
  ];
  const none = error('sip', 'there are no trunks: nothing crosses by SIP', {
    place: place('edges'),
    remedy: 'add `edges: { sip: { listen: ["0.0.0.0:5061"] } }` to gateway.yaml',
  });
  return [...(idle ?? []), ...(sip === undefined ? [none] : []), ...(through ?? [])];
}

function conclude(tried: number, failures: readonly Fault[], { domain, localDomain }: TrunkOptions, to: Report): void {
  const all = failures.length === tried;
  for (const { message, code, place, remedy = remedyFor(code, 'sip') } of failures) {
    to.add((all ? error : warning)('sip', message, { reason: code, place, remedy }));
  }
  if (!all) to.add(ok('sip', `${domain} can be reached by ${localDomain}`));
}
