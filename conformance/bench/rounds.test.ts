import { describe, expect, it } from 'vitest';
import type { Sample } from './measure.ts';
import type { Rig } from './rigs/rig.ts';
import { Results } from './rounds.ts';

const rig = (name: string): Rig => ({ name, pid: 1, ways: {} as Rig['ways'] });
const sample = (cpu: number): Sample => ({ count: 1, cpu, perSecond: 1, p50: 1, p99: 1 });

describe('The results of some rounds', () => {
  const [ours, theirs] = [rig('ours'), rig('theirs')];
  const results = new Results();
  // In the second round the machine was busy.
  for (const [one, other] of [
    [5, 50],
    [20, 190],
    [6, 48],
  ] as const) {
    results.add(ours, 'inbound', 'flood', sample(one));
    results.add(theirs, 'inbound', 'flood', sample(other));
  }

  it('have a median for every hop, direction and mode', () => {
    expect(results.median(ours, 'inbound', 'flood', 'cpu')).toBe(6);
    expect(results.median(ours, 'outbound', 'flood', 'cpu')).toBeNaN();
  });

  it('compare two hops within each round', () => {
    expect(results.ratio(ours, theirs, 'inbound', 'flood')).toBeCloseTo(20 / 190);
    expect(results.ratio(ours, theirs, 'inbound', 'paced')).toBeNaN();
  });
});
