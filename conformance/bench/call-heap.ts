import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { GatewayProcess } from '../peers/gateway.ts';
import type { SipRig } from './rigs/sip-rig.ts';

/** Calls that come first, for what a gateway needs once: code, caches, the first growth of its maps. */
const firstComers = 100;
/** How long the transactions of a call stay behind it (64*T1: RFC 3261 timers H to M, RFC 6026), and a little more, ms. */
const lingerMs = 34_000;

/** Arguments of Node for a gateway whose heap is weighed: the code that it has read once stays in there. */
export const weighable = [
  '--no-flush-bytecode',
  '--import',
  fileURLToPath(new URL('idle/collect-garbage.ts', import.meta.url)),
];

/** Bytes of heap that one call of two legs costs, Buffers outside of it included. */
export interface CallHeap {
  /** While it stands and its transactions of set-up do. */
  readonly fresh: number;
  /** When these are gone; undefined where that was not waited for. */
  readonly settled: number | undefined;
  /** When it has ended, and its transactions are gone; likewise. */
  readonly ended: number | undefined;
}

/** Weighs so many calls that stand. The gateway of the rig was started with {@link weighable}. */
export async function measureCallHeap({ gateway, calls }: SipRig, count: number, patient: boolean): Promise<CallHeap> {
  const { from, pair } = calls;
  const stand = (standing: number) => from.load.do('call', { line: from.line, pair, plan: { standing } });
  await stand(firstComers);
  await from.load.do('hangUp', { line: from.line });
  if (patient) await setTimeout(lingerMs);
  const before = await heapOf(gateway);
  const each = async (): Promise<number> => ((await heapOf(gateway)) - before) / count;
  await stand(count);
  const fresh = await each();
  if (patient) await setTimeout(lingerMs);
  const settled = patient ? await each() : undefined;
  await from.load.do('hangUp', { line: from.line });
  if (patient) await setTimeout(lingerMs);
  const ended = patient ? await each() : undefined;
  return { fresh, settled, ended };
}

/** Bytes in use behind a full collection of garbage. */
async function heapOf({ pid, log }: GatewayProcess): Promise<number> {
  if (pid === undefined) throw new Error('the gateway is gone');
  const after = log.mark();
  process.kill(pid, 'SIGUSR2');
  const line = await log.waitFor(/^heap \d+ external \d+$/, { after });
  const [heap = Number.NaN, external = Number.NaN] = line.match(/\d+/g)?.map(Number) ?? [];
  return heap + external;
}
