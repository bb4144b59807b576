import { fileURLToPath } from 'node:url';
import { ServerProcess } from '../../peers/process.ts';
import type { Endpoint } from '../load/endpoint.ts';
import type { Ground, Rig } from './rig.ts';
import { linkedLines, type Site, waysOf } from './site.ts';

/** A drachtio server, as the environment names it. */
export interface DrachtioServer {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

/** What a relay joins. */
export interface RelayPlan {
  readonly server: DrachtioServer;
  /** Whose messages it carries. */
  readonly partner: string;
  /** Where the home server takes component links. */
  readonly component: Endpoint;
  /** Where the partner takes SIP over TCP. */
  readonly next: Endpoint;
}

/** Where its variables are set; undefined where there is none. */
export function drachtioServer(env: Readonly<Record<string, string | undefined>>): DrachtioServer | undefined {
  const { DRACHTIO_HOST: host, DRACHTIO_PORT: port = '9022', DRACHTIO_SECRET: secret = 'cymru' } = env;
  return host === undefined || host === '' ? undefined : { host, port: Number(port), secret };
}

/**
 * A relay over drachtio-srf between a partner and a home, over TCP without TLS, which its server does not need. The CPU
 * time is that of the relay alone; the server's, which reads and writes the SIP, is not seen.
 */
export async function drachtioRig(ground: Ground, server: DrachtioServer): Promise<Rig> {
  const { world, partner, home } = ground;
  const name = 'drachtio';
  const address = world.loopback.address();
  const [from, to] = [`${name}.p.example`, `${name}.h.example`];
  // Nobody proves anything here.
  const site: Site = { name, partner: from, home: to, address, certificate: { certificatePem: '', keyPem: '' } };
  const lines = linkedLines(site);
  const next = { address, port: await partner.do('serveSip', { line: lines.partner.outbound, address }) };
  const component = { address, port: await home.do('serveComponents', { line: lines.home.inbound, address }) };
  const plan: RelayPlan = { server, partner: site.partner, component, next };
  const relay = await ServerProcess.start({
    name: 'drachtio relay',
    command: process.execPath,
    args: [fileURLToPath(new URL('drachtio-relay.ts', import.meta.url)), JSON.stringify(plan)],
    ready: [/^ready /],
  });
  world.own({ close: () => relay.stop('SIGKILL') });
  const at = tcpAddress(await relay.log.waitFor(/^ready /, { after: 0 }));
  if (at === undefined) throw new Error('the drachtio server takes no SIP over TCP');
  await home.do('stands', { line: lines.home.inbound });
  await partner.do('dialSip', { line: lines.partner.inbound, ...at });
  const ways = waysOf(ground, site, lines);
  return { name: 'drachtio-srf relay', pid: relay.pid, ways };
}

/** Of the addresses that a drachtio server tells, `udp/192.0.2.1:5060,tcp/192.0.2.1:5060`, the first over TCP. */
export function tcpAddress(addresses: string): Endpoint | undefined {
  const [, ipv6, address = ipv6, port] = /\btcp\/(?:\[([^\]]+)\]|([^\s,:]+)):(\d+)/.exec(addresses) ?? [];
  return address === undefined ? undefined : { address, port: Number(port) };
}
