import { loadPolicies } from '../../../policies/folder.ts';
import { lintPolicies } from '../../../policies/lint.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import type { PolicySet } from '../../../policies/set.ts';
import type { ProofKind } from '../../../policies/trust.ts';
import { error, type Observation, ofFinding, ok, warning } from '../observation.ts';
import type { Checked } from './checked.ts';

/** Proofs that this build can find; a policy may name the others already. */
const PROVABLE: ReadonlySet<ProofKind> = new Set(['certificate', 'dialback']);

export interface PolicyCheck {
  readonly observations: Observation[];
  /** Undefined where a file has an error. */
  readonly set: PolicySet | undefined;
}

/** Loads and lints a folder of policies; with `at`, also against the configuration they are to work under. */
export async function checkPolicies({ folder, at }: { folder: string; at?: Checked }): Promise<PolicyCheck> {
  const { set, findings } = await loadPolicies(folder, at?.place('policies'));
  const observations = findings.map((finding) => ofFinding('policies', finding));
  if (set === undefined) return { observations, set };
  const stanzaBytes = at?.config.edges.xmpp.limits.stanzaBytes;
  const lint = lintPolicies(set, stanzaBytes === undefined ? {} : { stanzaBytes });
  observations.push(
    ...lint.map((finding) => ofFinding('policies', finding)),
    ...set.partners.flatMap(beyondThisBuild),
    ...(at?.config.home.domains ?? []).flatMap((domain) => claimed(set, domain)),
  );
  return { observations: [...observations, tally(set)], set };
}

function tally({ partners }: PolicySet): Observation {
  if (partners.length > 0) {
    const names = partners.slice(0, 5).map(({ name }) => name);
    const more = partners.length > names.length ? `, … (${partners.length})` : '';
    return ok('policies', `partners: ${names.join(', ')}${more}`);
  }
  return warning('policies', 'there is no partner yet, so nothing crosses', {
    remedy: 'write a file for each partner into the policies folder',
  });
}

/** A home domain that a partner claims: its users' stanzas would be taken for the partner's, and refused. */
function claimed(set: PolicySet, domain: string): Observation[] {
  const partner = set.partnerOf(domain);
  if (partner === undefined) return [];
  const pattern = [...partner.claims.keys()].find((one) =>
    one.startsWith('*.') ? domain.endsWith(one.slice(1)) : one === domain,
  );
  const place = (pattern === undefined ? undefined : partner.claims.get(pattern)) ?? partner.place;
  return [
    error('policies', `${partner.name} claims ${domain}, which is a home domain`, {
      place,
      remedy: 'a domain is ours or a partner’s: take it out of `domains` here, or of `home.domains` in gateway.yaml',
    }),
  ];
}

function beyondThisBuild(partner: PartnerPolicy): Observation[] {
  const { mode, methods, rule } = partner.trust;
  const absent = methods.filter((method) => !PROVABLE.has(method));
  const never = absent.length > 0 && (mode === 'all' || absent.length === methods.length);
  if (!never) return [];
  const message = `this build cannot find the proof ${absent.join(' or ')}, so ${partner.name} is never proven`;
  return [warning('policies', message, { place: rule, remedy: 'accept `certificate` or `dialback` as well' })];
}
