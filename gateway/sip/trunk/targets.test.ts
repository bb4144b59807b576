import { describe, expect, it } from 'vitest';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import type { Target } from './locate.ts';
import { Targets } from './targets.ts';

const [one, two, three] = [1, 2, 3].map((n): Target => ({ host: `192.0.2.${n}`, port: 5061 })) as [
  Target,
  Target,
  Target,
];

function setUp() {
  const clock = new FakeClock();
  let asked = 0;
  const locate = async () => {
    asked++;
    return [one, two, three];
  };
  const targets = new Targets({ clock, locate });
  return { clock, targets, asked: () => asked };
}

describe('the targets of a trunk', () => {
  it('are located once, and again when they are no longer fresh', async () => {
    const { clock, targets, asked } = setUp();
    expect(targets.known).toBeUndefined();
    await Promise.all([targets.located(), targets.located()]);
    expect(targets.known).toEqual([one, two, three]);
    expect(asked()).toBe(1);
    clock.advance(30_000);
    expect(targets.known).toBeUndefined();
    await targets.located();
    expect(asked()).toBe(2);
    targets.expire();
    await targets.located();
    expect(asked()).toBe(3);
  });

  it('are tried last while they are avoided', async () => {
    const { clock, targets } = setUp();
    await targets.located();
    targets.avoid(one, 10_000);
    expect(targets.known).toEqual([two, three, one]);
    clock.advance(10_000);
    expect(targets.known).toEqual([one, two, three]);
  });

  it('are not shut for long by one Retry-After', async () => {
    const { clock, targets } = setUp();
    targets.avoid(one, 86_400_000);
    clock.advance(300_000);
    expect(targets.isAvoided(one)).toBe(false);
  });

  it('keep their order where all are avoided, and their turn where one works again', async () => {
    const { targets } = setUp();
    await targets.located();
    for (const target of [one, two, three]) targets.avoid(target);
    expect(targets.known).toEqual([one, two, three]);
    targets.trust(two);
    expect(targets.known).toEqual([two, one, three]);
  });

  it('are asked for anew where locating failed', async () => {
    let fails = true;
    const targets = new Targets({
      clock: new FakeClock(),
      locate: async () => {
        if (fails) throw new Error('no DNS');
        return [one];
      },
    });
    await expect(targets.located()).rejects.toThrow('no DNS');
    fails = false;
    expect(await targets.located()).toEqual([one]);
  });
});
