import { describe, expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { Overload } from './overload.ts';

/** A clock whose timers fire as late as the test says. */
class LateClock implements Clock {
  run: (() => void) | undefined;
  #now = 0;
  #ms = 0;

  now(): number {
    return this.#now;
  }

  setTimeout(run: () => void, ms: number) {
    this.run = run;
    this.#ms = ms;
    return {
      clear: () => {
        this.run = undefined;
      },
    };
  }

  fire(lateMs: number): void {
    this.#now += this.#ms + lateMs;
    this.run?.();
  }
}

describe('Overload', () => {
  const watched = () => {
    const clock = new LateClock();
    const overload = new Overload({ sampleMs: 100, shedMs: 100, admitMs: 25 }, clock);
    const after = (...lateMs: readonly number[]) =>
      lateMs.map((ms) => {
        clock.fire(ms);
        return overload.overloaded;
      });
    return { clock, overload, after };
  };

  it('is no matter of one pause', () => {
    expect(watched().after(0, 150, 0, 0, 150, 0)).toEqual([false, false, false, false, false, false]);
  });

  it('begins when the loop stays late, or is very late once', () => {
    expect(watched().after(150, 150)).toEqual([false, true]);
    expect(watched().after(0, 200)).toEqual([false, true]);
  });

  it('ends only when the loop keeps up again by far', () => {
    expect(watched().after(300, 60, 40, 20, 0)).toEqual([true, true, true, true, false]);
  });

  it('leaves no timer', () => {
    const { clock, overload, after } = watched();
    after(500);
    overload.close();
    expect([clock.run, overload.overloaded]).toEqual([undefined, false]);
  });
});
