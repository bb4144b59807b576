import { describe, expect, it } from 'vitest';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { Heartbeat } from './heartbeat.ts';

function setUp(everyMs: number) {
  const clock = new FakeClock();
  const asked: number[] = [];
  const state = { failures: 0, recovering: false, pending: undefined as Promise<void> | undefined };
  const heartbeat = new Heartbeat({
    clock,
    fraction: () => 0.5,
    everyMs,
    ask: async () => {
      asked.push(clock.now());
      await state.pending;
    },
    failures: () => state.failures,
    recovering: () => state.recovering,
  });
  return { clock, asked, state, heartbeat };
}

describe('the heartbeat of a trunk', () => {
  it('asks soon, and then at its pace', async () => {
    const { clock, asked } = setUp(30_000);
    await clock.advanceAsync(61_000);
    expect(asked).toEqual([1_000, 31_000, 61_000]);
  });

  it('asks sooner after failures, less and less, never slower than its pace', async () => {
    const { clock, asked, state } = setUp(4_000);
    state.failures = 1;
    await clock.advanceAsync(2_000);
    state.failures = 2;
    await clock.advanceAsync(3_000);
    state.failures = 20;
    await clock.advanceAsync(6_000);
    expect(asked).toEqual([1_000, 2_000, 3_000, 5_000, 7_000, 11_000]);
  });

  it('asks again soon where it answers after failures', async () => {
    const { clock, asked, state } = setUp(30_000);
    state.recovering = true;
    await clock.advanceAsync(1_500);
    state.recovering = false;
    await clock.advanceAsync(31_000);
    expect(asked).toEqual([1_000, 2_000, 32_000]);
  });

  it('asks one question at a time', async () => {
    const { clock, asked, state } = setUp(1_000);
    const answer = Promise.withResolvers<void>();
    state.pending = answer.promise;
    await clock.advanceAsync(10_000);
    expect(asked).toEqual([500]);
    answer.resolve();
    await clock.advanceAsync(1_000);
    expect(asked).toEqual([500, 11_000]);
  });

  it('asks nothing where it is not wanted, and leaves no timer', async () => {
    expect(setUp(0).clock.pending).toBe(0);
    const { clock, heartbeat, asked } = setUp(1_000);
    heartbeat.close();
    await clock.advanceAsync(5_000);
    expect([clock.pending, asked.length]).toEqual([0, 0]);
  });
});
