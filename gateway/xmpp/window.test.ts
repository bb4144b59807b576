import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stanza } from '../bridge/stanza.ts';
import type { Left } from './receipts.ts';
import { message, numbers } from './testing/recording.fixture.ts';
import { Window, type WindowOptions } from './window.ts';

const stanza = (id: string): Stanza => message('u@h.example', 'v@p.example', id);
const ids = (stanzas: readonly Stanza[]): string[] => stanzas.map(({ id }) => id);
const all = ({ doubtful, unsent }: Left): string[] => ids([...doubtful, ...unsent]);
const roomy: WindowOptions = { stanzas: 1000, bytes: 1_000_000, spacingMs: 5, delivered: () => {} };

function windowOf(options: Partial<WindowOptions> = {}): { window: Window; batches: string[][] } {
  const batches: string[][] = [];
  const window = new Window({ ...roomy, ...options }, (batch) => batches.push(ids(batch)));
  return { window, batches };
}

describe('A window of unconfirmed stanzas', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('agrees with a list, whatever is added, written, confirmed and closed', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant('add' as const) },
      { weight: 2, arbitrary: fc.constant('flush' as const) },
      { weight: 3, arbitrary: fc.nat(12) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { window, batches } = windowOf({ stanzas: 20 });
        let added = 0;
        let confirmed = 0;
        for (const one of steps) {
          const written = batches.flat().length;
          if (one === 'add') window.add(stanza(String(++added)));
          else if (one === 'flush') window.flush();
          else {
            // Around what is known: some too low, some right, some more than was ever written.
            const upTo = written - 6 + one;
            expect(window.confirm(upTo)).toBe(upTo <= written);
            if (upTo <= written) confirmed = Math.max(confirmed, upTo);
          }
          expect(window.written).toBe(batches.flat().length);
          expect(window.pending).toBe(added - confirmed);
          expect(window.underWay).toBe(window.written - confirmed);
          expect(window.full).toBe(window.pending >= 20);
        }
        expect(batches.flat()).toEqual(numbers(window.written));
        const { written } = window;
        const { doubtful, unsent } = window.close();
        expect(ids(doubtful)).toEqual(numbers(written - confirmed, confirmed + 1));
        expect(ids(unsent)).toEqual(numbers(added - written, written + 1));
        expect(window.pending).toBe(0);
      }),
    );
  });

  it('writes the stanzas of one turn together, and those that follow too soon in the next batch', async () => {
    const { window, batches } = windowOf();
    vi.setSystemTime(1000);
    window.add(stanza('1'));
    window.add(stanza('2'));
    expect(batches).toEqual([]);
    await Promise.resolve();
    expect(batches.flat()).toEqual(['1', '2']);
    window.add(stanza('3'));
    window.add(stanza('4'));
    await Promise.resolve();
    expect(batches.flat()).toEqual(['1', '2']);
    vi.advanceTimersByTime(5);
    expect(batches.flat()).toEqual(['1', '2', '3', '4']);
  });

  it.each([
    [1, [1]],
    [8, [1, 1, 1, 1, 1, 1, 1, 1]],
    [9, [2, 2, 2, 2, 1]],
    [100, [13, 13, 13, 13, 13, 13, 13, 9]],
  ])('puts at most eight barriers into a batch of %d', (count, groups) => {
    const { window, batches } = windowOf();
    for (const id of numbers(count)) window.add(stanza(id));
    window.flush();
    expect(batches.map(({ length }) => length)).toEqual(groups);
    expect(batches.flat()).toEqual(numbers(count));
  });

  it('does not let what fills it wait', () => {
    const { window, batches } = windowOf({ stanzas: 3 });
    for (const id of numbers(3)) window.add(stanza(id));
    expect(batches.flat()).toEqual(numbers(3));
    expect(window.full).toBe(true);
    window.confirm(1);
    expect(window.full).toBe(false);
  });

  it('is full by bytes as well', () => {
    const { window } = windowOf({ bytes: stanza('1').bytes.length * 2 });
    window.add(stanza('1'));
    expect(window.full).toBe(false);
    window.add(stanza('2'));
    expect(window.full).toBe(true);
    window.confirm(1);
    expect(window.full).toBe(false);
  });

  it.each([Number.NaN, 3, Number.POSITIVE_INFINITY])('does not believe that %d of two written were taken', (upTo) => {
    const { window } = windowOf();
    window.add(stanza('1'));
    window.add(stanza('2'));
    window.flush();
    expect(window.confirm(upTo)).toBe(false);
    expect(all(window.close())).toEqual(['1', '2']);
  });

  it('forgets the oldest that are written until there is room for one more, and nothing unwritten', () => {
    const { window } = windowOf({ stanzas: 3 });
    for (const id of numbers(3)) window.add(stanza(id));
    window.forget();
    expect(window.full).toBe(false);
    expect(all(window.close())).toEqual(['2', '3']);
  });

  it('tells of each stanza that was taken, kept or not, once, in order', () => {
    const taken: string[] = [];
    const { window } = windowOf({ delivered: ({ id }) => taken.push(id) });
    const kept = (id: string): Stanza => ({ ...stanza(id), kept: { queue: 1, ticket: Number(id), since: 0 } });
    for (const one of [kept('1'), stanza('2'), kept('3'), kept('4')]) window.add(one);
    window.flush();
    window.confirm(3);
    window.confirm(3);
    expect(taken).toEqual(['1', '2', '3']);
  });

  it('leaves no timer behind and writes nothing more once closed', async () => {
    const { window, batches } = windowOf();
    window.add(stanza('1'));
    await Promise.resolve();
    window.add(stanza('2'));
    expect(vi.getTimerCount()).toBe(1);
    expect(all(window.close())).toEqual(['1', '2']);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(batches).toEqual([['1']]);
    expect(all(window.close())).toEqual([]);
  });

  it('keeps its order through thousands of stanzas, as its store is trimmed', () => {
    const { window, batches } = windowOf({ stanzas: 10_000 });
    for (const id of numbers(5000)) window.add(stanza(id));
    window.flush();
    for (let n = 1; n <= 4000; n++) window.confirm(n);
    expect(window.pending).toBe(1000);
    expect(batches.flat()).toEqual(numbers(5000));
    expect(all(window.close())).toEqual(numbers(1000, 4001));
  });
});
