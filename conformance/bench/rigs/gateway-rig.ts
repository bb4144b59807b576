import type { GatewayProcess } from '../../peers/gateway.ts';
import type { Ground, Rig } from './rig.ts';
import { dialHop, linkedLines, newSite, openOutbound, type Site, servePartner, waysOf } from './site.ts';

/** A policy as administrators write it: every kind of rule there is, and limits so wide that they are counted and never reached. */
export const policyFor = ({ partner, home }: Site): Readonly<Record<string, string>> => ({
  'partner.yaml': `partner: ${partner}
domains: [${partner}, "*.${partner}"]
trust: { accept: [certificate] }
groups: { executives: [ceo@${home}, cfo@${home}] }
presence:
  - { local: "group:executives", show: nothing }
  - { local: "*", show: availability }
messages: { allow: both, maxBytes: 262144 }
limits: { messages: { rate: 1000000/s, burst: 1000000 } }
`,
});

/** This gateway between a partner and a home server that takes its component link. */
export async function gatewayRig(
  ground: Ground,
  { name, label, settings }: { name: string; label: string; settings?: string | undefined },
  nodeArguments: readonly string[] = [],
): Promise<Rig & { readonly gateway: GatewayProcess }> {
  const { world, home: load } = ground;
  const site = await newSite(ground, name);
  const lines = linkedLines(site);
  await servePartner(ground, site, lines);
  const { address } = site;
  const component = await load.do('serveComponents', { line: lines.home.inbound, address });
  const gateway = await world.gateway({
    home: { address, ports: { component } },
    homeDomains: [site.home],
    policies: policyFor(site),
    settings,
    nodeArguments,
  });
  await load.do('stands', { line: lines.home.inbound });
  await dialHop(ground, site, lines, { address: gateway.address, port: gateway.ports.s2s });
  const ways = waysOf(ground, site, lines);
  await openOutbound(ways.outbound);
  return { name: label, pid: gateway.pid, ways, gateway };
}
