import { randomInt } from 'node:crypto';

/** Uniform in [0, 1). */
export type Random = () => number;

/** mulberry32: the same draws in every run with the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whole numbers from `low` to `high`, both included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

export function oneOf<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0];
}

export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const drawn = items.map((item) => ({ item, order: random() }));
  return drawn.sort((one, other) => one.order - other.order).map(({ item }) => item);
}

/** The seed of a run, `FAULT_SEED` where it is set; printed, so that a run that failed can be repeated. */
export function drawSeed(name: string): number {
  const seed = Number(process.env.FAULT_SEED ?? randomInt(2 ** 31));
  console.log(`${name}: FAULT_SEED=${seed}`);
  return seed;
}
