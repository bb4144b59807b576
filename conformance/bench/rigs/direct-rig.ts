import type { Ground, Rig } from './rig.ts';
import { newSite, pipedLines, waysOf } from './site.ts';

/** Both ends on one TCP connection: what the load costs by itself, for the latency that a hop adds. */
export async function directRig(ground: Ground): Promise<Rig> {
  const { partner, home } = ground;
  const site = await newSite(ground, 'direct');
  const lines = pipedLines(site);
  const { address } = site;
  const port = await home.do('serveTcp', { line: lines.home.inbound, address });
  await partner.do('dialTcp', { line: lines.partner.inbound, address, port });
  const back = await partner.do('serveTcp', { line: lines.partner.outbound, address });
  await home.do('dialTcp', { line: lines.home.outbound, address, port: back });
  return { name: 'no hop (plain TCP)', pid: undefined, ways: waysOf(ground, site, lines) };
}
