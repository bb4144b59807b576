import { describe, expect, it } from 'vitest';
import { grown, type Sample } from './soak-samples.ts';

const run = (bytes: (index: number) => number, kind = 'heapUsed'): Sample[] =>
  Array.from({ length: 300 }, (_, index) => ({ memory: { [kind]: bytes(index) }, resources: {}, held: {} }));
const MiB = 2 ** 20;

describe('Memory over a run', () => {
  it('is flat with a warm-up and the saw of a collector', () => {
    expect(grown(run((index) => (index < 90 ? index : 100) + (index % 7)))).toEqual([]);
  });

  it('grows when it does so behind the warm-up', () => {
    expect(grown(run((index) => 1000 + index * 2))).toEqual(['heapUsed grew from 1220 to 1420 bytes']);
  });

  it('is flat where the saw grows and its feet stay', () => {
    expect(grown(run((index) => 1000 + (index % 7) * (index < 150 ? 50 : 300)))).toEqual([]);
  });

  it('of the process may grow by a young generation, and no more', () => {
    expect(grown(run((index) => (index < 200 ? 150 : 180) * MiB, 'rss'))).toEqual([]);
    expect(grown(run((index) => (index < 200 ? 150 : 240) * MiB, 'rss'))).toHaveLength(1);
  });

  it('is not judged by few samples', () => {
    expect(grown(run((index) => index).slice(0, 15))).toEqual([]);
  });
});
