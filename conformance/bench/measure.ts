import { setTimeout } from 'node:timers/promises';
import type { Load } from './load/flows.ts';
import { cpuTime } from './process-cost.ts';
import type { Direction, Rig } from './rigs/rig.ts';

/** What one run through a hop showed. */
export interface Sample {
  /** Stanzas that went through. */
  readonly count: number;
  /** CPU time of the hop, µs a stanza; NaN where there is no hop. */
  readonly cpu: number;
  /** Stanzas a second, from the first write to the last arrival. */
  readonly perSecond: number;
  /** From write to arrival, µs; NaN in a flood. */
  readonly p50: number;
  readonly p99: number;
}

/** What follows a delivery (acknowledgements, the outbox) is the hop's work too, ms. */
const aftermathMs = 60;

/** Sends through a hop until everything has arrived. Rejects when something does not. */
export async function measure(rig: Rig, direction: Direction, load: Load): Promise<Sample> {
  const { from, to, pair } = rig.ways[direction];
  await to.load.do('begin', { line: to.line, stamped: load.rate !== undefined });
  const before = cpuOf(rig);
  const sent = await from.load.do('send', { line: from.line, pair, ...load });
  const arrived = await to.load.do('arrived', { line: to.line, count: sent.count });
  await setTimeout(aftermathMs);
  return {
    count: arrived.count,
    cpu: (cpuOf(rig) - before) / 1000 / sent.count,
    perSecond: (sent.count / (arrived.atUs - sent.startUs)) * 1e6,
    p50: arrived.p50,
    p99: arrived.p99,
  };
}

function cpuOf({ pid }: Rig): number {
  return pid === undefined ? Number.NaN : cpuTime(pid);
}
