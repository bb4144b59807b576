import { loadServerCertificate, type ServerCertificate } from '../../../pki/server-certificate.ts';
import { namesSipDomain } from '../../../pki/sip-identity.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import type { PolicySet } from '../../../policies/set.ts';
import type { Config } from '../../config/config.ts';
import { Resolver } from '../../dns/resolver.ts';
import type { TrunkOptions } from '../../sip/trunk/trunk-options.ts';
import { sipTrunks } from '../../sip-trunks.ts';
import { error, type Observation, ofThrown, ok, warning } from '../observation.ts';
import type { Checked } from './checked.ts';
import { Lookups } from './lookups.ts';

/** One lookup with its retries, ms. */
const LOOKUP_MS = 2_400;
/** Domains of ours looked up: partners see few. */
const DOMAINS = 16;

/** Whether SIP partners can reach us, prove themselves, and be shown who we are. */
export async function checkSip(at: Checked, set: PolicySet | undefined): Promise<Observation[]> {
  const { config, place } = at;
  const partners = set?.partners ?? [];
  const { sip } = config.edges;
  if (sip === undefined) return partners.filter(wantsSip).map(withoutTrunks);
  const idle = partners.filter(({ speaks, trunk }) => speaks === 'xmpp' && trunk !== undefined).map(unused);
  const callers = partners.filter(wantsSip);
  const trunks = set === undefined ? [] : sipTrunks(config, set);
  const shown = new Set([config.home.domains[0] ?? '', ...trunks.map(({ localDomain }) => localDomain)]);
  const [credentials, certificates, records] = await Promise.all([
    Promise.all(callers.map((partner) => passwordOf(partner, trunks))),
    ourCertificates(at, shown),
    sip.listen.length === 0 ? [] : ourRecords(at, [...shown].slice(0, DOMAINS)),
  ]);
  const names = callers.map(({ name }) => name);
  const listed = names.length === 0 ? 'none yet' : `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`;
  return [
    ...idle,
    ...callers.flatMap((partner) => [...unproven(partner), ...strangers(partner, config)]),
    ...credentials.flat(),
    ...certificates,
    ...records.map((observation) => ({ ...observation, place: observation.place ?? place('edges', 'sip') })),
    ok('sip', `partners by SIP: ${listed}`),
  ];
}

/** Who is a SIP partner for certain; one that says nothing may as well be reached by XMPP. */
function wantsSip({ speaks, trunk }: PartnerPolicy): boolean {
  return speaks === 'sip' || (speaks === 'auto' && trunk !== undefined);
}

function withoutTrunks(partner: PartnerPolicy): Observation {
  const message = `${partner.name} is to be reached by SIP, and there are no trunks: nothing crosses`;
  const remedy = 'add `edges: { sip: { listen: ["0.0.0.0:5061"] } }` to gateway.yaml, or write `speaks: xmpp`';
  return warning('sip', message, { place: partner.trunk?.place ?? partner.place, remedy });
}

function unused({ name, trunk, otherProtocol }: PartnerPolicy): Observation {
  const message = `${name} has a trunk, and its policy says that it speaks XMPP`;
  return warning('sip', message, { place: trunk?.place ?? otherProtocol.rule, remedy: 'write `speaks: sip`' });
}

/** A trunk shows a certificate and nothing else. */
function unproven({ name, trust, place }: PartnerPolicy): Observation[] {
  const { mode, methods, rule } = trust;
  const proven = mode === 'all' ? methods.every((method) => method === 'certificate') : methods.includes('certificate');
  if (proven) return [];
  const message = `a SIP trunk is proven by its certificate alone, so ${name} is never proven`;
  return [warning('sip', message, { place: rule ?? place, remedy: 'write `trust: { accept: [certificate] }`' })];
}

function strangers({ trunk }: PartnerPolicy, { home }: Config): Observation[] {
  const shown = trunk?.section.as;
  if (trunk === undefined || shown === undefined || home.domains.includes(shown)) return [];
  const message = `\`as: ${shown}\` is none of the home domains`;
  return [
    error('sip', message, { place: trunk.place, remedy: `home domains: ${home.domains.slice(0, 5).join(', ')}` }),
  ];
}

async function passwordOf({ name, trunk }: PartnerPolicy, trunks: readonly TrunkOptions[]): Promise<Observation[]> {
  const { credentials } = trunks.find(({ id }) => id === name) ?? {};
  try {
    await credentials?.password();
    return [];
  } catch (thrown) {
    return [ofThrown('sip', thrown, trunk?.place)];
  }
}

async function ourCertificates({ config, place }: Checked, shown: ReadonlySet<string>): Promise<Observation[]> {
  const loads = config.tls.certificates.map(({ cert, key }) => loadServerCertificate(cert, key));
  const loaded = await Promise.allSettled(loads);
  // What cannot be used is told where certificates are looked at.
  if (loaded.some(({ status }) => status === 'rejected') || loaded.length === 0) return [];
  const usable = loaded.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  return [...shown]
    .filter((domain) => !usable.some((certificate) => names(certificate, domain)))
    .map((domain) =>
      error('sip', `no certificate names ${domain} as SIP reads it (RFC 5922): by a DNS name or a URI`, {
        place: place('tls', 'certificates'),
        remedy: `get one with the DNS name ${domain}, without a wildcard`,
      }),
    );
}

function names({ identities }: ServerCertificate, domain: string): boolean {
  return namesSipDomain(identities, domain);
}

/** Whether partners that look us up find us (RFC 3263 §4.2). */
async function ourRecords({ config }: Checked, domains: readonly string[]): Promise<Observation[]> {
  const { servers, dnssec, trusted, timeout } = config.dns;
  const timeoutMs = Math.min(timeout, LOOKUP_MS);
  let resolver: Resolver;
  try {
    resolver = new Resolver({
      servers,
      dnssec: dnssec === 'off' ? 'off' : 'trust-ad',
      trusted,
      timeoutMs,
      attempts: 1,
    });
  } catch {
    // Told where DNS is looked at.
    return [];
  }
  const ports = new Set(config.edges.sip?.listen.map(({ port }) => port));
  const lookups = new Lookups(resolver);
  try {
    const found = await Promise.all(domains.map((domain) => ourRecord(lookups, domain, ports)));
    return lookups.offLine === undefined ? found.flat() : [];
  } finally {
    resolver.close();
  }
}

async function ourRecord(lookups: Lookups, domain: string, ports: ReadonlySet<number>): Promise<Observation[]> {
  const name = `_sips._tcp.${domain}`;
  const { records, failed } = await lookups.srv(name);
  const remedy = `publish \`${name}. SRV 0 5 ${[...ports][0] || 5061} <name of the gateway>.\``;
  if (failed.length > 0)
    return failed.map(({ what, message }) => warning('sip', `the lookup of ${what} failed: ${message}`));
  const offers = records.filter(({ target, port }) => target !== '.' && port > 0);
  if (offers.length === 0) {
    return [warning('sip', `${name} leads nowhere: partners that look us up find no trunk`, { remedy })];
  }
  return offers.map(({ target, port }) =>
    ports.has(port) || ports.has(0)
      ? ok('sip', `${name} leads to ${target}:${port}`)
      : warning('sip', `${name} names port ${port}, and no \`listen\` address has it`, {
          remedy: 'nothing to do if a firewall forwards that port; else change the record or the listener',
        }),
  );
}
