import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeAuthority, writeKeyPair } from '../../peers/authority.ts';
import { ServerProcess } from '../../peers/process.ts';
import type { Endpoint } from '../load/endpoint.ts';
import type { Ground, Rig } from './rig.ts';
import { newSite, pipedLines, type Site, waysOf } from './site.ts';

/** What a byte pipe joins: TLS arriving at `tls` goes on in clear to `home`; what arrives in clear at `clear` goes on over TLS to `partner`. */
export interface PipePlan {
  readonly tls: Endpoint;
  readonly home: Endpoint;
  readonly clear: Endpoint;
  readonly partner: Endpoint;
  /** Certificates `pipe.crt`, `pipe.key`, `pipe.pem`, and `ca.crt`; and room for a configuration. */
  readonly folder: string;
}

/** Starts the process of a pipe and resolves with its id. */
type StartPipe = (plan: PipePlan, ground: Ground) => Promise<number | undefined>;

/** The least a hop can do: TLS on one side, bytes in clear on the other, nothing looked at. */
async function pipeRig(ground: Ground, name: string, label: string, start: StartPipe): Promise<Rig> {
  const { world, partner, home } = ground;
  const site = await newSite(ground, name);
  const lines = pipedLines(site);
  const { address, certificate } = site;
  const end = { address, certificate };
  const plan = {
    tls: { address, port: await world.loopback.port(address) },
    home: { address, port: await home.do('serveTcp', { line: lines.home.inbound, address }) },
    clear: { address, port: await world.loopback.port(address) },
    partner: { address, port: await partner.do('serveTls', { ...end, line: lines.partner.outbound }) },
    folder: await folderOf(ground, site),
  };
  const pid = await start(plan, ground);
  const details = { ...end, ...plan.tls, line: lines.partner.inbound, to: site.home };
  await partner.do('dialTls', details);
  await home.do('dialTcp', { ...plan.clear, line: lines.home.outbound });
  return { name: label, pid, ways: waysOf(ground, site, lines) };
}

async function folderOf({ world }: Ground, { name, home }: Site): Promise<string> {
  const folder = await world.makeFolder(name);
  await writeKeyPair(folder, 'pipe', await world.authority.issue({ domains: [home] }));
  await writeAuthority(folder, world.authority.pem);
  return folder;
}

export const nodePipeRig = (ground: Ground): Promise<Rig> =>
  pipeRig(ground, 'node', 'Node TLS byte pipe', async (plan, { world }) => {
    const main = fileURLToPath(new URL('node-pipe.ts', import.meta.url));
    const args = [main, JSON.stringify(plan)];
    const pipe = await ServerProcess.start({ name: 'Node pipe', command: process.execPath, args, ready: [/^ready$/] });
    world.own({ close: () => pipe.stop('SIGKILL') });
    return pipe.pid;
  });

export const haproxyRig = (ground: Ground): Promise<Rig> =>
  pipeRig(ground, 'haproxy', 'HAProxy byte pipe', async (plan, { world }) => {
    const file = join(plan.folder, 'haproxy.cfg');
    await writeFile(file, haproxyConfiguration(plan));
    const args = ['-V', '-db', '-f', file];
    const pipe = await ServerProcess.start({ name: 'HAProxy', command: 'haproxy', args, ready: [/Using epoll/] });
    world.own({ close: () => pipe.stop('SIGKILL') });
    return pipe.pid;
  });

const haproxyConfiguration = ({ tls, home, clear, partner, folder }: PipePlan) => `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen inbound
  bind ${tls.address}:${tls.port} ssl crt ${folder}/pipe.pem ca-file ${folder}/ca.crt verify required
  server home ${home.address}:${home.port}
listen outbound
  bind ${clear.address}:${clear.port}
  server partner ${partner.address}:${partner.port} ssl crt ${folder}/pipe.pem ca-file ${folder}/ca.crt verify required
`;
