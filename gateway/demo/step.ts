import { Fault } from '../../policies/fault.ts';

/** What a step saw. */
export interface Sight {
  /** As it came over the wire or out of a log, in words. */
  readonly seen: string;
  /** Whether that is what must be seen. */
  readonly holds: boolean;
}

/** One step of a tour: something is done, and what the wire then shows is looked at. */
export interface Step<Scene> {
  readonly name: string;
  /** What must be seen, in words. */
  readonly expected: string;
  /** Without it the steps behind it can see nothing. */
  readonly essential?: true;
  /** How long it may take, ms, where that is not {@link STEP_MS}. */
  readonly limitMs?: number;
  /** Rejects where what it waits for does not come before `signal` aborts. */
  readonly look: (scene: Scene, signal: AbortSignal) => Promise<Sight>;
}

/** What became of a step. */
export interface Finding extends Sight {
  /** From 1. */
  readonly number: number;
  readonly name: string;
  readonly expected: string;
  readonly ms: number;
}

/** What a step waits for comes within milliseconds; this is for machines that do much else. */
export const STEP_MS = 10_000;

/** Takes the steps in order and tells of each. Ends behind an essential one that does not hold, and when `signal` aborts. */
export async function* tour<Scene>(
  steps: readonly Step<Scene>[],
  scene: Scene,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  for (const [index, step] of steps.entries()) {
    const { name, expected } = step;
    const before = performance.now();
    const sight = await take(step, scene, signal);
    yield { number: index + 1, name, expected, ...sight, ms: Math.round(performance.now() - before) };
    if (signal.aborted || (step.essential && !sight.holds)) return;
  }
}

async function take<Scene>(step: Step<Scene>, scene: Scene, signal: AbortSignal): Promise<Sight> {
  const limitMs = step.limitMs ?? STEP_MS;
  const late = AbortSignal.timeout(limitMs);
  const either = AbortSignal.any([signal, late]);
  try {
    return await unlessAborted(step.look(scene, either), either);
  } catch (error) {
    const when = late.aborted ? ` within ${limitMs / 1000} s` : '';
    return { holds: false, seen: `${messageOf(error)}${when}` };
  }
}

/** Gives up on what does not heed its signal itself. */
async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  // What heeds it knows better what did not come, so it has the first word.
  const giveUp = (): void => void setImmediate(() => reject(new Error('it was not done')));
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof Fault) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
