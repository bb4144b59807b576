import { publishSip } from '../../peers/dns.ts';
import type { GatewayProcess } from '../../peers/gateway.ts';
import type { Ground, Rig, Way } from './rig.ts';
import { linkedLines, type Site, waysOf } from './site.ts';

/** A policy as administrators write it: every kind of rule there is, and limits so wide that they are counted and never reached. */
const policyFor = ({ partner, home }: Site): Readonly<Record<string, string>> => ({
  'partner.yaml': `partner: ${partner}
domains: [${partner}, "*.${partner}"]
speaks: sip
trust: { accept: [certificate] }
groups: { executives: [ceo@${home}, cfo@${home}] }
presence:
  - { local: "group:executives", show: nothing }
  - { local: "*", show: availability }
messages: { allow: both, maxBytes: 262144 }
limits: { messages: { rate: 1000000/s, burst: 1000000 } }
calls:
  allow: both
  destinations: [{ allow: [mobile, fixed, toll-free], countries: [DE, FR, US] }]
  limits: { concurrent: 1000000, perUser: { concurrent: 1000000, perMinute: 1000000 } }
`,
});

/** This gateway between the SIP trunk of a partner on one side, a home server and a PBX on the other. */
export interface SipRig extends Rig {
  readonly gateway: GatewayProcess;
  /** Of calls, from the partner's telephones to those of the PBX. */
  readonly calls: Way;
}

/** What the gateway runs with. */
export interface SipRigPlan {
  readonly name: string;
  readonly label: string;
  /** Further sections of gateway.yaml. */
  readonly settings?: string | undefined;
  readonly nodeArguments?: readonly string[] | undefined;
}

/** Starts the gateway with everything around it; the partner has a server of its own for what comes to it. */
export async function sipRig(
  ground: Ground,
  { name, label, settings, nodeArguments = [] }: SipRigPlan,
): Promise<SipRig> {
  const { world, partner, home } = ground;
  const site = await newSipSite(ground, name);
  const { address, certificate } = site;
  const lines = linkedLines(site);
  const phones = `${name}: phones`;
  const port = await partner.do('serveSip', { line: lines.partner.outbound, address, certificate });
  publishSip(world.dns, site.partner, [{ host: address, port }]);
  const component = await home.do('serveComponents', { line: lines.home.inbound, address });
  const pbx = await home.do('serveSip', { line: phones, address });
  const gateway = await world.gateway({
    home: { address, ports: { component } },
    homeDomains: [site.home],
    policies: policyFor(site),
    sip: { pbx: { address, port: pbx } },
    settings,
    nodeArguments,
  });
  await home.do('stands', { line: lines.home.inbound });
  const hop = { address: gateway.address, port: gateway.ports.sip };
  await partner.do('dialSip', { line: lines.partner.inbound, ...hop, tls: { to: site.home, certificate } });
  const ways = waysOf(ground, site, lines);
  const calls = { ...ways.inbound, to: { load: home, line: phones } };
  return { name: label, pid: gateway.pid, ways, gateway, calls };
}

/** A site whose partner proves itself by a certificate for SIP (RFC 5922 §7.1). */
async function newSipSite({ world }: Ground, name: string): Promise<Site> {
  const [partner, home] = [`${name}.p.example`, `${name}.h.example`];
  const certificate = await world.authority.issue({ domains: [partner], uris: [`sip:${partner}`] });
  return { name, home, partner, certificate, address: world.loopback.address() };
}
