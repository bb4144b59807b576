import { missingPackages } from '../peers/available.ts';
import type { World } from '../peers/world.ts';
import type { BenchArguments } from './arguments.ts';
import type { Output } from './bench.ts';
import { type Figure, figure } from './figure.ts';
import { measureIdleMemory } from './idle/idle-memory.ts';
import { inWorld } from './in-world.ts';
import type { Load } from './load/flows.ts';
import { LoadProcess } from './load/load-process.ts';

import { directions } from './rigs/rig.ts';
import { openRigs, type Rigs } from './rigs/rigs.ts';
import { type Mode, runRounds } from './rounds.ts';
import { hopFigures, hopTable } from './s2s-report.ts';
import { measureStartUp } from './start-up.ts';

/** How much is measured. */
interface Scale {
  readonly rounds: number;
  readonly load: Readonly<Record<Mode, Load>>;
  readonly starts: number;
  readonly idle: number;
}

/** Stanzas a second: a busy partner, not a flood. */
const rate = 1_000;
const full: Scale = { rounds: 7, load: { flood: { ms: 700 }, paced: { ms: 1_000, rate } }, starts: 7, idle: 1_000 };
const quick: Scale = { rounds: 3, load: { flood: { ms: 250 }, paced: { ms: 400, rate } }, starts: 3, idle: 1_000 };

/** Server-to-server: what a stanza, an idle stream and a start cost this gateway, and others on the same machine in the same minutes. */
export async function benchS2s(args: BenchArguments, output: Output): Promise<Figure[]> {
  const scale = args.quick ? quick : full;
  const missing = missingPackages('prosody', 'ejabberd', 'haproxy');
  if (missing.length > 0) output.print(`not measured, for want of a package: ${missing.join(', ')}`);
  const stages = [startUp, idleMemory, hops];
  const figures: Figure[] = [];
  for (const stage of stages) figures.push(...(await inWorld(output, (world) => stage(world, scale, args, output))));
  return figures;
}

type Stage = (world: World, scale: Scale, args: BenchArguments, output: Output) => Promise<Figure[]>;

const startUp: Stage = async (world, { starts }, _args, { note }) => {
  note('start-up');
  const nowhere = { address: world.loopback.address(), ports: { component: 9 } };
  const gateway = await world.gateway({ home: nowhere, homeDomains: ['home.example'], policies: {} });
  await gateway.stop();
  const { ready, node } = await measureStartUp(gateway.configFile, starts);
  return [figure('ready after `drawbridge run`', ready, 'ms', 1_000), figure('`node -e 0`', node, 'ms')];
};

const idleMemory: Stage = async (world, { idle }, _args, { note }) => {
  note(`${idle} idle streams`);
  const { gateway, bare } = await measureIdleMemory(world, idle);
  return [
    figure(`idle partner stream, of ${idle}`, gateway / 1024, 'KiB'),
    figure(`idle bare Node TLS socket, of ${idle}`, bare / 1024, 'KiB'),
    figure('idle stream / bare socket', gateway / bare, 'ratio', 1.4),
  ];
};

const hops: Stage = async (world, { rounds, load }, { acks }, { note, print }) => {
  const [partner, home] = [world.own(new LoadProcess()), world.own(new LoadProcess())];
  const rigs: Rigs = await openRigs({ world, partner, home, acks }, note);
  const results = await runRounds(rigs.all, { rounds, load, warmUp: load, note });
  print(
    `CPU time of the hop, medians of ${rounds} rounds; the partner's server ${acks ? 'has' : 'has no'} stream management`,
  );
  for (const direction of directions) print(hopTable(rigs, results, direction));
  return hopFigures(rigs, results);
};
