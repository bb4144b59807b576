import { publishXmpp } from '../../peers/dns.ts';
import { attach, type ServerKind, startServer } from './attached-server.ts';
import { policyFor } from './gateway-rig.ts';
import type { Ground, Rig } from './rig.ts';
import { newSite, openOutbound, waysOf } from './site.ts';

/** Real servers take longer to send a flood than the gateway to carry it, and the buffers between the processes hold a second of it by themselves. */
const flood = { ms: 150 };

/** This gateway where it belongs, between two real servers: the load is a component of the partner's, and one of the home server. */
export async function betweenServers(
  ground: Ground,
  { kind, label, settings }: { readonly kind: ServerKind; readonly label: string; readonly settings: string },
): Promise<Rig> {
  const { world } = ground;
  const site = await newSite(ground, `${kind}-ends`);
  const [there, here] = [`${site.name}: partner`, `${site.name}: home`];
  const ways = waysOf(ground, site, {
    partner: { inbound: there, outbound: there },
    home: { inbound: here, outbound: here },
  });
  const partner = await startServer(ground, kind, { domain: `partner.${site.name}.example`, own: [site.partner] });
  publishXmpp(world.dns, site.partner, [{ host: partner.address, port: partner.ports.s2s }]);
  const plan = { domain: `home.${site.name}.example`, own: [site.home], foreign: [site.partner], publish: false };
  const home = await startServer(ground, kind, plan);
  const gateway = await world.gateway({ home, homeDomains: [site.home], policies: policyFor(site), settings });
  await gateway.linked(site.partner);
  await attach(ways.inbound.from, partner, site.partner);
  await attach(ways.inbound.to, home, site.home);
  // The first stanza of a cold stream may be overtaken on it; the warm-up counts, and does not order.
  await openOutbound(ways.inbound);
  await openOutbound(ways.outbound);
  return { name: label, pid: gateway.pid, ways, flood };
}
