import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Lines } from '../../peers/lines.ts';
import { ServerProcess } from '../../peers/process.ts';
import type { World } from '../../peers/world.ts';
import type { CrowdOrder } from '../load/crowd.ts';
import type { Endpoint } from '../load/endpoint.ts';
import { LoadProcess } from '../load/load-process.ts';
import { residentMemory } from '../process-cost.ts';

/** Connections that come first, for what every process needs once: code, caches, the first growth of its heap. */
const firstComers = 100;
/** Organisations under one wildcard policy, by turns. */
const organisations = 50;
const home = 'crowd.home.example';
const policy = `partner: crowd.example
domains: [crowd.example, "*.crowd.example"]
trust: { accept: [certificate] }
messages: { allow: both }
limits: { connections: 10000 }
`;
/** The gateway's own bounds would turn a crowd from one address away. */
const edge = 'limits: { perAddress: 100000, attempts: 1000000/min }';
/** For the pages that a collection sets free to be given back, ms. */
const settleMs = 1_000;

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const nodeArguments = ['--import', here('collect-garbage.ts')];

/** A process that listens and is measured. */
interface Host {
  readonly pid: number;
  readonly log: Lines;
  readonly endpoint: Endpoint;
}

/** Bytes of resident memory that one connection costs. */
export interface IdleMemory {
  /** A stream to the gateway, proven by EXTERNAL, over which nothing goes. */
  readonly gateway: number;
  /** A connection to a Node TLS server that asks for certificates, with the same certificate. */
  readonly bare: number;
}

/** Measures `count` idle connections of each kind, in one process after the other. */
export async function measureIdleMemory(world: World, count: number): Promise<IdleMemory> {
  const from = Array.from({ length: organisations }, (_, n) => `n${n}.crowd.example`);
  const certificate = await world.authority.issue({ domains: from });
  const load = world.own(new LoadProcess());
  const each = async ({ pid, log, endpoint }: Host, crowd: Omit<CrowdOrder, 'count' | keyof Endpoint>) => {
    await load.do('gather', { ...endpoint, ...crowd, count: firstComers });
    const before = await settledMemory(pid, log);
    await load.do('gather', { ...endpoint, ...crowd, count });
    return ((await settledMemory(pid, log)) - before) / count;
  };
  const bare = await each(await startBare(world), { certificate });
  const gateway = await each(await startGateway(world), { certificate, streams: { from, to: home } });
  return { gateway, bare };
}

/** Resident memory behind a full collection of garbage. */
async function settledMemory(pid: number, log: Lines): Promise<number> {
  const after = log.mark();
  process.kill(pid, 'SIGUSR2');
  await log.waitFor(/^collected$/, { after });
  await setTimeout(settleMs);
  return residentMemory(pid);
}

async function startGateway(world: World): Promise<Host> {
  // Nobody listens there: what idles needs no home server.
  const nowhere = { address: world.loopback.address(), ports: { component: 9 } };
  const gateway = await world.gateway({
    home: nowhere,
    homeDomains: [home],
    policies: { 'crowd.yaml': policy },
    edge,
    nodeArguments,
  });
  return { pid: known(gateway.pid), log: gateway.log, endpoint: { address: gateway.address, port: gateway.ports.s2s } };
}

async function startBare(world: World): Promise<Host> {
  const { certificatePem: cert, keyPem: key } = await world.authority.issue({ domains: [home] });
  const address = world.loopback.address();
  const endpoint = { address, port: await world.loopback.port(address) };
  const server = await ServerProcess.start({
    name: 'bare TLS server',
    command: process.execPath,
    args: [...nodeArguments, here('bare-tls-server.ts'), JSON.stringify({ cert, key, ...endpoint })],
    ready: [/^ready$/],
  });
  world.own({ close: () => server.stop('SIGKILL') });
  return { pid: known(server.pid), log: server.log, endpoint };
}

function known(pid: number | undefined): number {
  if (pid === undefined) throw new Error('the process is gone');
  return pid;
}
