import type { World } from '../peers/world.ts';
import type { BenchArguments } from './arguments.ts';
import type { Output } from './bench.ts';
import { type CallLoad, type CallMode, runCallRounds } from './call-cost.ts';
import { measureCallHeap, weighable } from './call-heap.ts';
import type { Figure } from './figure.ts';
import { inWorld } from './in-world.ts';
import type { Load } from './load/flows.ts';
import { LoadProcess } from './load/load-process.ts';
import { drachtioRig, drachtioServer } from './rigs/drachtio-rig.ts';
import { directions, type Ground, type Rig } from './rigs/rig.ts';
import { type SipRig, sipRig } from './rigs/sip-rig.ts';
import { type Mode, runRounds } from './rounds.ts';
import { sipJsParser } from './sip-js-parser.ts';
import { benchSipParse } from './sip-parse.ts';
import { callFigures, callTable, heapFigures, messageFigures, messageTable, type SipHops } from './sip-report.ts';

/** How much is measured. */
interface Scale {
  readonly rounds: number;
  readonly messages: Readonly<Record<Mode, Load>>;
  /** For the compiler: so much goes through a gateway before it is measured. */
  readonly warmUp: Readonly<Record<Mode, Load>>;
  readonly calls: Readonly<Record<CallMode, CallLoad>>;
  readonly standing: number;
  /** Whether the end of lingering transactions is waited for. */
  readonly patient: boolean;
}

/** MESSAGEs a second: a busy partner, not a flood. */
const rate = 1_000;
/** Calls a second that one core is to carry. */
const callRate = 600;
const full: Scale = {
  rounds: 7,
  messages: { flood: { ms: 700 }, paced: { ms: 1_000, rate } },
  warmUp: { flood: { ms: 2_500 }, paced: { ms: 1_000, rate } },
  calls: { flood: { ms: 1_000 }, paced: { ms: 1_500, rate: callRate } },
  standing: 1_000,
  patient: true,
};
const quick: Scale = {
  rounds: 3,
  messages: { flood: { ms: 250 }, paced: { ms: 400, rate } },
  warmUp: { flood: { ms: 1_000 }, paced: { ms: 400, rate } },
  calls: { flood: { ms: 400 }, paced: { ms: 500, rate: callRate } },
  standing: 1_000,
  patient: false,
};

/** SIP trunks: what reading a message, a MESSAGE either way, and a call of two legs cost this gateway. */
export async function benchSip(args: BenchArguments, output: Output): Promise<Figure[]> {
  const scale = args.quick ? quick : full;
  output.note('parsing');
  const figures = benchSipParse([sipJsParser()]);
  for (const stage of [messages, calls, heap]) {
    figures.push(...(await inWorld(output, (world) => stage(groundIn(world), scale, output))));
  }
  return figures;
}

type Stage = (ground: Ground, scale: Scale, output: Output) => Promise<Figure[]>;

const forgetful = 'outbox: { keep: false }';

const messages: Stage = async (ground, scale, { note, print }) => {
  const opened = async <R extends Rig>(opening: Promise<R>): Promise<R> => {
    const rig = await opening;
    note(`ready: ${rig.name}`);
    return rig;
  };
  const server = drachtioServer(process.env);
  if (server === undefined)
    print('not measured, for want of a drachtio server (DRACHTIO_HOST, DRACHTIO_PORT, DRACHTIO_SECRET): the relay');
  const hops: SipHops = {
    forgetful: await opened(openRig(ground, 'forgetful', 'outbox off', forgetful)),
    durable: await opened(openRig(ground, 'durable', 'outbox, fsync: commit', 'store: { fsync: commit }')),
    drachtio: server && (await opened(drachtioRig(ground, server))),
  };
  const all = Object.values(hops).filter((rig) => rig !== undefined);
  const { rounds, messages: load, warmUp } = scale;
  const results = await runRounds(all, { rounds, load, warmUp, note });
  print(`CPU time of the gateway, medians of ${rounds} rounds; MESSAGEs with 250 bytes of text over mutual TLS`);
  for (const direction of directions) print(messageTable(hops, results, direction));
  return messageFigures(hops, results);
};

const calls: Stage = async (ground, { rounds, calls: load }, { note, print }) => {
  const results = await runCallRounds(await openRig(ground, 'calls', 'outbox off', forgetful), { rounds, load, note });
  print(`partner over mutual TLS to PBX over TCP: INVITE, 180, 200, ACK, BYE, 200; medians of ${rounds} rounds`);
  print(callTable(results));
  return callFigures(results, callRate);
};

const heap: Stage = async (ground, { standing, patient }, { note }) => {
  note(`${standing} calls that stand${patient ? '' : '; what is left of them later is not weighed'}`);
  const rig = await openRig(ground, 'heap', 'outbox off', forgetful, weighable);
  return heapFigures(await measureCallHeap(rig, standing, patient), standing);
};

function openRig(
  ground: Ground,
  name: string,
  label: string,
  settings: string,
  nodeArguments?: readonly string[],
): Promise<SipRig> {
  return sipRig(ground, { name, label: `Drawbridge, ${label}`, settings, nodeArguments });
}

function groundIn(world: World): Ground {
  return { world, partner: world.own(new LoadProcess()), home: world.own(new LoadProcess()), acks: false };
}
