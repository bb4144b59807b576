import { setTimeout } from 'node:timers/promises';
import type { CallPlan } from './load/sip-calls.ts';
import { median } from './median.ts';
import { cpuTime } from './process-cost.ts';
import type { SipRig } from './rigs/sip-rig.ts';

/** What calls through the gateway showed: each of two legs, set up, answered and ended. */
export interface CallSample {
  readonly count: number;
  /** Refused with 503. */
  readonly shed: number;
  /** CPU time of the gateway, ms a call. */
  readonly cpuMs: number;
  /** Calls a second that one core carries: against the clock, or the CPU time where more than one core was used. */
  readonly perSecond: number;
  /** From INVITE to 200, ms. */
  readonly p50: number;
  readonly p99: number;
  /** 2xx that were sent again, or would have been: by the gateway to the caller, and by the PBX to the gateway. */
  readonly repeated: number;
}

/** How calls are made in one run: as fast as they are taken, or so many a second. */
export type CallLoad = Exclude<CallPlan, { readonly standing: number }>;
export type CallMode = 'flood' | 'paced';

export interface CallRoundsPlan {
  readonly rounds: number;
  readonly load: Readonly<Record<CallMode, CallLoad>>;
  readonly note: (line: string) => void;
}

/** What follows the last answer is the gateway's work too, ms. */
const aftermathMs = 60;

/** Makes calls through a gateway until all of them have ended. Rejects when one fails. */
export async function measureCalls({ pid, calls }: SipRig, plan: CallLoad): Promise<CallSample> {
  if (pid === undefined) throw new Error('the gateway is gone');
  const { from, to, pair } = calls;
  const lateBefore = await to.load.do('lateAcks', { line: to.line });
  const before = cpuTime(pid);
  const called = await from.load.do('call', { line: from.line, pair, plan });
  await setTimeout(aftermathMs);
  const cpuMs = (cpuTime(pid) - before) / 1e6;
  const late = (await to.load.do('lateAcks', { line: to.line })) - lateBefore;
  const { count, shed, startUs, endUs, repeated, p50, p99 } = called;
  return {
    count,
    shed,
    cpuMs: cpuMs / count,
    perSecond: (count * 1000) / Math.max((endUs - startUs) / 1000, cpuMs),
    p50: p50 / 1000,
    p99: p99 / 1000,
    repeated: repeated + late,
  };
}

/** Samples of all rounds by mode, medians of them but sums of what is never to be. */
export class CallResults {
  readonly #samples: Readonly<Record<CallMode, CallSample[]>> = { flood: [], paced: [] };

  add(mode: CallMode, sample: CallSample): void {
    this.#samples[mode].push(sample);
  }

  median(mode: CallMode, what: keyof CallSample): number {
    return median(this.#samples[mode].map((sample) => sample[what]));
  }

  sum(mode: CallMode, what: 'count' | 'repeated' | 'shed'): number {
    return this.#samples[mode].reduce((sum, sample) => sum + sample[what], 0);
  }
}

/** Both modes by turns in every round, behind one that is for the compiler. */
export async function runCallRounds(rig: SipRig, { rounds, load, note }: CallRoundsPlan): Promise<CallResults> {
  const results = new CallResults();
  note('warming up: calls');
  for (const mode of ['flood', 'paced'] as const) await measureCalls(rig, load[mode]);
  for (let round = 1; round <= rounds; round++) {
    note(`calls, round ${round} of ${rounds}`);
    for (const mode of ['paced', 'flood'] as const) results.add(mode, await measureCalls(rig, load[mode]));
  }
  return results;
}
