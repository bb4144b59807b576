import { Fault } from '../../policies/fault.ts';

/** A signal that a time limit, or another signal, aborts; disposing of it ends the timer. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts with Fault `stream-timeout` after `ms`, or with `signal` and its reason. */
export function timeLimit(ms: number, signal: AbortSignal): TimeLimit {
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Fault('stream-timeout', `It was not done in ${Math.ceil(ms / 100) / 10} s.`)),
    ms,
  );
  return { signal: AbortSignal.any([signal, limit.signal]), [Symbol.dispose]: () => clearTimeout(timer) };
}
