import { Fault } from '../../../policies/fault.ts';
import { requirePolicies } from '../../../policies/folder.ts';
import { nearest } from '../../../policies/nearest.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import type { PolicySet } from '../../../policies/set.ts';
import type { Checked } from '../check/checked.ts';

/** The partner that a domain belongs to. Rejects with Fault `no-partner`, or `policy-invalid`. */
export async function requirePartner(
  domain: string,
  { config, place }: Checked,
): Promise<{ readonly partner: PartnerPolicy; readonly policies: PolicySet }> {
  const policies = await requirePolicies(config.policies, place('policies'));
  const partner = policies.partnerOf(domain);
  if (partner !== undefined) return { partner, policies };
  const meant = nearest(
    domain,
    policies.partners.flatMap(({ exactDomains }) => exactDomains),
  );
  const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
  throw new Fault('no-partner', `No policy file names ${domain} as a partner.${hint}`, {
    place: place('policies'),
    remedy: `drawbridge partner add ${domain}; who is a partner says \`drawbridge partner list\``,
  });
}
