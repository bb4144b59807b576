import { describe, expect, it } from 'vitest';
import { Lines } from './lines.ts';

describe('Lines', () => {
  it('finds a line that is there and one that comes', async () => {
    const lines = new Lines();
    lines.add('first');
    expect(await lines.waitFor(/fir/)).toBe('first');
    const coming = lines.waitFor(/sec/);
    lines.add('second');
    expect(await coming).toBe('second');
  });

  it('does not find what was written before the mark', async () => {
    const lines = new Lines();
    lines.add('again 1');
    const coming = lines.waitFor(/again/, { after: lines.mark() });
    lines.add('again 2');
    expect(await coming).toBe('again 2');
    expect(lines.matching(/again/)).toEqual(['again 1', 'again 2']);
  });

  it('shows the last lines when nothing matches in time', async () => {
    const lines = new Lines();
    lines.add('what there was');
    await expect(lines.waitFor(/never/, { timeoutMs: 1 })).rejects.toThrow(/within 1 ms.*\n.*what there was/);
  });

  it('gives up when aborted', async () => {
    const abort = new AbortController();
    const waiting = new Lines().waitFor(/never/, { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toThrow(/given up/);
  });

  it('keeps a bounded number of lines and the meaning of marks', () => {
    const lines = new Lines(10);
    for (let line = 0; line < 100; line += 1) lines.add(`line ${line}`);
    expect(lines.mark()).toBe(100);
    expect(lines.since().length).toBeLessThan(20);
    expect(lines.since(98)).toEqual(['line 98', 'line 99']);
    expect(lines.since(100)).toEqual([]);
  });
});
