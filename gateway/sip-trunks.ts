import { dirname, resolve } from 'node:path';
import type { PartnerPolicy } from '../policies/partner.ts';
import { type PasswordPlace, PLAIN_TRUNK } from '../policies/schema/trunk.ts';
import type { PolicySet } from '../policies/set.ts';
import type { Config } from './config/config.ts';
import { Secret } from './config/secret.ts';
import type { TrunkCredentials, TrunkOptions } from './sip/trunk/trunk-options.ts';

/** The home PBX among the trunks; no domain is called so. */
const HOME = 'home pbx';

/** The trunks that a configuration and its policies come to: one for each partner that may speak SIP, and the PBX. */
export function sipTrunks(config: Config, policies: PolicySet): TrunkOptions[] {
  // Over drachtio a partner is told by its addresses; one that may as well be an XMPP domain, and names none, has no trunk.
  const byAddress = config.edges.sip?.drachtio?.peersProvenBy === 'administrator';
  const partners = policies.partners.filter(
    ({ speaks, trunk }) => speaks === 'sip' || (speaks === 'auto' && !(byAddress && trunk === undefined)),
  );
  return [...homeTrunk(config), ...partners.map((partner) => partnerTrunk(config, partner))];
}

/** What the home PBX is called among the trunks. */
export function homeTrunkDomain({ home }: Config): string {
  return home.sip?.domain ?? home.domains[0] ?? '';
}

function homeTrunk(config: Config): TrunkOptions[] {
  const { sip, domains } = config.home;
  if (sip === undefined) return [];
  const addresses = sip.addresses ?? (sip.tls ? undefined : [sip.host]);
  return [
    {
      id: HOME,
      kind: 'home',
      domain: homeTrunkDomain(config),
      domains,
      targets: [{ host: sip.host, port: sip.port ?? (sip.tls ? 5061 : 5060) }],
      tls: sip.tls,
      addresses,
      localDomain: domains[0] ?? '',
      options: { pingMs: config.edges.sip?.keepAlive },
    },
  ];
}

/** The trunk that a partner's policy comes to, whatever it says of the protocol. */
export function partnerTrunk(config: Config, partner: PartnerPolicy): TrunkOptions {
  const { hosts, addresses, as, allowWildcardCertificate, ping, credentials } = partner.trunk?.section ?? PLAIN_TRUNK;
  // Whoever may as well be an XMPP domain, and says nothing of a trunk, is not knocked at.
  const pingMs = partner.speaks === 'auto' && partner.trunk === undefined ? 0 : (ping ?? config.edges.sip?.keepAlive);
  return {
    id: partner.name,
    kind: 'partner',
    domain: partner.name,
    domains: [...partner.claims.keys()],
    targets: hosts,
    tls: true,
    addresses,
    localDomain: as ?? config.home.domains[0] ?? '',
    credentials: credentials && credentialsOf(credentials, dirname(partner.file)),
    allowWildcardCertificate,
    options: { pingMs },
  };
}

function credentialsOf(
  { username, password }: { readonly username: string; readonly password: PasswordPlace },
  folder: string,
): TrunkCredentials {
  const secret =
    'env' in password ? new Secret('env', password.env) : new Secret('file', resolve(folder, password.file));
  return { username, password: () => secret.reveal() };
}
