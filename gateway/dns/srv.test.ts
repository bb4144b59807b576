import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawOrder } from './srv.ts';

/** mulberry32: the same draws in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const record = (weight: number, priority = 10) => ({ weight, priority });

/** How often each weight is drawn first, in `rounds` draws. */
function firstDraws(weights: readonly number[], rounds: number): Map<number, number> {
  const random = seeded(2782);
  const counts = new Map(weights.map((weight) => [weight, 0]));
  for (let round = 0; round < rounds; round += 1) {
    const first =
      drawOrder(
        weights.map((weight) => record(weight)),
        random,
      )[0]?.weight ?? -1;
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  return counts;
}

describe('the SRV draw of RFC 2782', () => {
  it('puts lower priorities first, whatever their weights', () => {
    const records = [record(0, 20), record(9, 20), record(65_535, 30), record(0, 1)];
    expect(drawOrder(records, seeded(1)).map((one) => one.priority)).toEqual([1, 20, 20, 30]);
  });

  it('draws in proportion to the weights', () => {
    const rounds = 20_000;
    const counts = firstDraws([10, 30, 60], rounds);
    // Chances as the RFC has them: the lots run from 0 to the sum, and the first in the (mixed) list also has the 0.
    const expected = [10, 30, 60].map((weight) => ({ weight, count: (rounds * (weight + 1 / 3)) / 101 }));
    const chiSquare = expected.reduce(
      (sum, { weight, count }) => sum + ((counts.get(weight) ?? 0) - count) ** 2 / count,
      0,
    );
    // 99.9 % quantile at two degrees of freedom.
    expect(chiSquare).toBeLessThan(13.8);
  });

  it('gives weight 0 a very small chance beside others', () => {
    const counts = firstDraws([0, 99], 20_000);
    expect(counts.get(0)).toBeGreaterThan(120);
    expect(counts.get(0)).toBeLessThan(290);
  });

  it('mixes records that all have weight 0', () => {
    const random = seeded(7);
    const names = ['a', 'b', 'c'].map((name) => ({ ...record(0), name }));
    const firsts = Array.from({ length: 3000 }, () => drawOrder(names, random)[0]?.name);
    for (const { name } of names) {
      expect(firsts.filter((first) => first === name).length).toBeGreaterThan(850);
    }
  });

  it('keeps every record, sorted by priority, for any draw', () => {
    const records = fc.array(fc.record({ priority: fc.nat(3), weight: fc.nat(65_535), id: fc.nat() }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        records,
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (all, lots) => {
          const drawn = drawOrder(all, () => lots.next().value);
          expect(drawn).toHaveLength(all.length);
          expect(new Set(drawn)).toEqual(new Set(all));
          expect(drawn.map((one) => one.priority)).toEqual(all.map((one) => one.priority).sort((a, b) => a - b));
        },
      ),
    );
  });
});
