import { attach, type ServerKind, startServer } from './attached-server.ts';
import type { Ground, Rig } from './rig.ts';
import { dialHop, linkedLines, newSite, openOutbound, servePartner, waysOf } from './site.ts';

/** The same hop done by an XMPP server: the domain of the home side is a component of it, which it stands for towards other servers. */
async function serverRig(ground: Ground, kind: ServerKind, label: string): Promise<Rig> {
  const site = await newSite(ground, kind);
  const lines = linkedLines(site);
  const ways = waysOf(ground, site, lines);
  await servePartner(ground, site, lines);
  const server = await startServer(ground, kind, { domain: `${kind}.example`, own: [site.home] });
  await attach(ways.inbound.to, server, site.home);
  await dialHop(ground, site, lines, { address: server.address, port: server.ports.s2s });
  await openOutbound(ways.outbound);
  return { name: label, pid: server.pid, ways };
}

export const prosodyRig = (ground: Ground): Promise<Rig> => serverRig(ground, 'prosody', 'Prosody');
export const ejabberdRig = (ground: Ground): Promise<Rig> => serverRig(ground, 'ejabberd', 'ejabberd');
