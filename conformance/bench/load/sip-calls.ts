import { setTimeout as pause } from 'node:timers/promises';
import { quantile } from '../median.ts';
import { clockUs } from './clock.ts';
import { paced } from './pace.ts';
import type { SipCaller } from './sip-caller.ts';
import type { Pair } from './stanzas.ts';

/** How calls are made: so many a second or as fast as the hop takes them, so long, each ended as soon as it stands; or so many that stay. */
export type CallPlan = { readonly ms: number; readonly rate?: number | undefined } | { readonly standing: number };

/** What came of calls at their end. */
export interface Called {
  /** That were set up. */
  readonly count: number;
  /** That were refused with 503, for there were too many. */
  readonly shed: number;
  readonly startUs: number;
  readonly endUs: number;
  /** 2xx that the hop sent again. */
  readonly repeated: number;
  /** From INVITE to 200, µs. */
  readonly p50: number;
  readonly p99: number;
}

/** Calls of a flood that are under way at once: enough that the hop never waits for the load. */
const callsAtOnce = 40;
/** The pause where a flood was too much, ms. */
const breathMs = 100;
/** How long nothing may come of the calls that are under way, ms: beyond all timers of a transaction. */
const patienceMs = 40_000;

/** Makes calls and resolves when all of them stand or have ended; rejects where one failed. */
export async function makeCalls(caller: SipCaller, pair: Pair, plan: CallPlan): Promise<Called> {
  caller.takeCount();
  caller.brief = !('standing' in plan);
  const settling = new Settling(caller);
  let count = 0;
  const call = (): void => {
    caller.call(pair);
    count++;
  };
  let startUs = clockUs();
  if ('rate' in plan && plan.rate !== undefined) {
    startUs = await paced(plan.rate, Math.round((plan.rate * plan.ms) / 1000), call);
  } else {
    const endUs = 'ms' in plan ? startUs + plan.ms * 1000 : Number.POSITIVE_INFINITY;
    const most = 'standing' in plan ? plan.standing : Number.POSITIVE_INFINITY;
    while (count < most && clockUs() < endUs) {
      const { shed } = caller;
      while (count < most && count - settling.settled < callsAtOnce) call();
      await settling.next();
      if (caller.shed > shed) await pause(breathMs);
    }
  }
  while (settling.settled < count) await settling.next();
  const endUs = clockUs();
  const { shed, failed, failure, repeated, setUps } = caller.takeCount();
  if (failed > 0) throw new Error(`${failed} of ${count} calls were refused: ${failure}`);
  return {
    count: count - shed,
    shed,
    startUs,
    endUs,
    repeated,
    p50: quantile(setUps, 0.5),
    p99: quantile(setUps, 0.99),
  };
}

/** Ends every call that stands; resolves with how many. */
export async function endCalls(caller: SipCaller): Promise<number> {
  caller.takeCount();
  const count = caller.open;
  const settling = new Settling(caller);
  caller.hangUp();
  while (settling.settled < count) await settling.next();
  const { failed, failure } = caller.takeCount();
  if (failed > 0) throw new Error(`${failed} of ${count} calls did not end: ${failure}`);
  return count;
}

/** Calls that are done or have failed. */
class Settling {
  settled = 0;
  #wake: () => void = () => {};

  constructor(caller: SipCaller) {
    caller.onDone = () => {
      this.settled++;
      this.#wake();
    };
  }

  /** Resolves when one more is; rejects where none is for too long. */
  next(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`only ${this.settled} calls were answered`)), patienceMs);
      this.#wake = () => {
        clearTimeout(late);
        resolve();
      };
    });
  }
}
