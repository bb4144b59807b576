import type { Load } from './load/flows.ts';
import { measure, type Sample } from './measure.ts';
import { median } from './median.ts';
import { type Direction, directions, type Rig } from './rigs/rig.ts';

export type Mode = 'flood' | 'paced';
export const modes = ['flood', 'paced'] as const satisfies readonly Mode[];

/** Samples of all rounds, by rig, direction and mode. */
export class Results {
  readonly #samples = new Map<string, Sample[]>();

  add(rig: Rig, direction: Direction, mode: Mode, sample: Sample): void {
    const key = keyOf(rig, direction, mode);
    const samples = this.#samples.get(key) ?? [];
    samples.push(sample);
    this.#samples.set(key, samples);
  }

  /** The median of one property; NaN where nothing was measured. */
  median(rig: Rig, direction: Direction, mode: Mode, what: keyof Sample): number {
    return median(this.#of(rig, direction, mode).map((sample) => sample[what]));
  }

  /** How the CPU time of one hop compares to another's: the median of the ratios within each round, since what disturbs a round disturbs both. */
  ratio(rig: Rig, to: Rig, direction: Direction, mode: Mode): number {
    const others = this.#of(to, direction, mode);
    return median(this.#of(rig, direction, mode).map(({ cpu }, round) => cpu / (others[round]?.cpu ?? Number.NaN)));
  }

  #of(rig: Rig, direction: Direction, mode: Mode): readonly Sample[] {
    return this.#samples.get(keyOf(rig, direction, mode)) ?? [];
  }
}

export interface RoundsPlan {
  readonly rounds: number;
  readonly warmUp: Readonly<Record<Mode, Load>>;
  readonly load: Readonly<Record<Mode, Load>>;
  /** Told what is under way. */
  readonly note: (line: string) => void;
}

/** Measures every rig in every round, in an order that turns from round to round. */
export async function runRounds(rigs: readonly Rig[], plan: RoundsPlan): Promise<Results> {
  const results = new Results();
  for (const rig of rigs) {
    plan.note(`warming up: ${rig.name}`);
    for (const [direction, mode] of runsOf(rig)) await measure(rig, direction, loadOf(rig, mode, plan.warmUp));
  }
  for (let round = 0; round < plan.rounds; round++) {
    plan.note(`round ${round + 1} of ${plan.rounds}`);
    const turn = round % rigs.length;
    for (const rig of [...rigs.slice(turn), ...rigs.slice(0, turn)]) {
      for (const [direction, mode] of runsOf(rig)) {
        results.add(rig, direction, mode, await measure(rig, direction, loadOf(rig, mode, plan.load)));
      }
    }
  }
  return results;
}

/** A flood without a hop would measure the load alone. */
function runsOf(rig: Rig): [Direction, Mode][] {
  const wanted = modes.filter((mode) => mode === 'paced' || rig.pid !== undefined);
  return directions.flatMap((direction) => wanted.map((mode): [Direction, Mode] => [direction, mode]));
}

function loadOf({ flood }: Rig, mode: Mode, planned: Readonly<Record<Mode, Load>>): Load {
  return (mode === 'flood' ? flood : undefined) ?? planned[mode];
}

function keyOf(rig: Rig, direction: Direction, mode: Mode): string {
  return `${rig.name} ${direction} ${mode}`;
}
