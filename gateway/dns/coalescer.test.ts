import { describe, expect, it } from 'vitest';
import { Coalescer } from './coalescer.ts';

/** Work that a test settles, and that notes its abort. */
function manualWork() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const runs: AbortSignal[] = [];
  const work = (signal: AbortSignal) => {
    runs.push(signal);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    return promise;
  };
  return { work, runs, resolve };
}

describe('Coalescer', () => {
  it('does equal work once and different work apart', async () => {
    const lookups = new Coalescer<string>(10);
    const one = manualWork();
    const other = manualWork();
    const results = [lookups.run('a', one.work), lookups.run('a', one.work), lookups.run('b', other.work)];
    one.resolve('one');
    other.resolve('other');
    expect(await Promise.all(results)).toEqual(['one', 'one', 'other']);
    expect(one.runs).toHaveLength(1);
  });

  it('starts anew once the work is done', async () => {
    const lookups = new Coalescer<string>(10);
    const { work, runs, resolve } = manualWork();
    resolve('done');
    await lookups.run('a', work);
    await lookups.run('a', work);
    expect(runs).toHaveLength(2);
  });

  it('lets one waiter leave without failing the others', async () => {
    const lookups = new Coalescer<string>(10);
    const { work, runs, resolve } = manualWork();
    const leaver = new AbortController();
    const left = lookups.run('a', work, leaver.signal);
    const stays = lookups.run('a', work);
    leaver.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    expect(runs[0]?.aborted).toBe(false);
    resolve('done');
    expect(await stays).toBe('done');
  });

  it('aborts the work when the last waiter left, and a newcomer starts anew', async () => {
    const lookups = new Coalescer<string>(10);
    const abandoned = manualWork();
    const leaver = new AbortController();
    const left = lookups.run('a', abandoned.work, leaver.signal);
    leaver.abort(new Error('enough'));
    const fresh = manualWork();
    const joined = lookups.run('a', fresh.work);
    await expect(left).rejects.toThrow('enough');
    expect(abandoned.runs[0]?.aborted).toBe(true);
    fresh.resolve('fresh');
    expect(await joined).toBe('fresh');
  });

  it('refuses more different work than its limit', async () => {
    const lookups = new Coalescer<string>(1);
    const { work, resolve } = manualWork();
    const first = lookups.run('a', work);
    await expect(lookups.run('b', work)).rejects.toMatchObject({ code: 'dns-failed' });
    resolve('done');
    await first;
    expect(await lookups.run('b', work)).toBe('done');
  });
});
