import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Timer } from './clock.ts';
import { FakeClock } from './testing/fake-clock.ts';
import { TimerQueue } from './timer-queue.ts';

const MS = 1_000;
const GRAIN_MS = 50;

function queue(): { clock: FakeClock; queue: TimerQueue<string>; expired: string[] } {
  const clock = new FakeClock();
  const expired: string[] = [];
  return { clock, expired, queue: new TimerQueue<string>(clock, MS, (item) => expired.push(item)) };
}

describe('a queue of timers of one duration', () => {
  it('lets items expire in the order in which they were added', () => {
    const { clock, queue: timers, expired } = queue();
    timers.add('a');
    clock.advance(MS - 1);
    timers.add('b');
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual(['a']);
    clock.advance(MS);
    expect(expired).toEqual(['a', 'b']);
  });

  it.each(['first', 'middle', 'last'])('forgets the %s item when its timer is cleared', (cleared) => {
    const { clock, queue: timers, expired } = queue();
    for (const item of ['first', 'middle', 'last']) {
      const timer = timers.add(item);
      if (item === cleared) timer.clear();
      if (item === cleared) timer.clear();
    }
    expect(timers.size).toBe(2);
    clock.advance(MS);
    expect(expired).toEqual(['first', 'middle', 'last'].filter((item) => item !== cleared));
  });

  it('takes one timer of the clock, and none when it is empty', () => {
    const { clock, queue: timers } = queue();
    const set = Array.from({ length: 1_000 }, (_, n) => timers.add(String(n)));
    expect(clock.pending).toBe(1);
    for (const timer of set) timer.clear();
    expect(clock.pending).toBe(0);
  });

  it('goes on with the others when the user throws', () => {
    const clock = new FakeClock();
    const expired: string[] = [];
    const timers = new TimerQueue<string>(clock, MS, (item) => {
      if (item === 'bad') throw new Error('bad');
      expired.push(item);
    });
    timers.add('bad');
    timers.add('good');
    expect(() => clock.advance(MS)).toThrow('bad');
    clock.advance(GRAIN_MS);
    expect(expired).toEqual(['good']);
  });

  it('lets items be added and cleared while others expire', () => {
    const clock = new FakeClock();
    const expired: string[] = [];
    let second: Timer | undefined;
    const timers = new TimerQueue<string>(clock, MS, (item) => {
      expired.push(item);
      second?.clear();
      if (item === 'a') timers.add('c');
    });
    timers.add('a');
    second = timers.add('b');
    clock.advance(MS);
    expect(expired).toEqual(['a']);
    clock.advance(MS);
    expect(expired).toEqual(['a', 'c']);
    expect(clock.pending).toBe(0);
  });

  it('leaves nothing behind when it is closed, and takes nothing more', () => {
    const { clock, queue: timers, expired } = queue();
    timers.add('a');
    timers.close();
    timers.add('b').clear();
    timers.add('c');
    clock.advance(2 * MS);
    expect([expired, timers.size, clock.pending]).toEqual([[], 0, 0]);
  });

  it('is never early, at most a grain late, and forgets what is cleared', () => {
    const step = fc.oneof(
      fc.record({ add: fc.constant(true) }),
      fc.record({ clear: fc.nat(20) }),
      fc.record({ wait: fc.integer({ min: 1, max: 700 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new FakeClock();
        const due = new Map<number, number>();
        const timers = new TimerQueue<number>(clock, MS, (item) => {
          const late = clock.now() - (due.get(item) ?? Number.NaN);
          expect(late).toBeGreaterThanOrEqual(0);
          expect(late).toBeLessThanOrEqual(GRAIN_MS);
          due.delete(item);
        });
        const set: Timer[] = [];
        for (const step of steps) {
          if ('wait' in step) clock.advance(step.wait);
          else if ('clear' in step) {
            set[step.clear]?.clear();
            if (set[step.clear] !== undefined) due.delete(step.clear);
          } else {
            due.set(set.length, clock.now() + MS);
            set.push(timers.add(set.length));
          }
          expect(timers.size).toBe(due.size);
        }
        clock.advance(MS + GRAIN_MS);
        expect([due.size, timers.size, clock.pending]).toEqual([0, 0, 0]);
      }),
    );
  });
});
