import { describe, expect, it } from 'vitest';
import { TtlCache } from './cache.ts';

describe('TtlCache', () => {
  it('keeps a value for its time to live and tells what is left of it', () => {
    let now = 0;
    const cache = new TtlCache<string>(10, () => now);
    cache.set('a', 'one', 3);
    now = 1_500;
    expect(cache.get('a')).toEqual({ value: 'one', ttl: 2 });
    now = 3_000;
    expect(cache.get('a')).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  it('does not keep what has no time to live', () => {
    const cache = new TtlCache<string>(10, () => 0);
    cache.set('a', 'one', 0);
    expect(cache.size).toBe(0);
  });

  it('makes room by dropping the least recently used', () => {
    const cache = new TtlCache<number>(2, () => 0);
    cache.set('a', 1, 60);
    cache.set('b', 2, 60);
    cache.get('a');
    cache.set('c', 3, 60);
    expect(cache.get('a')?.value).toBe(1);
    expect(cache.get('b')).toBeUndefined();
    expect(cache.get('c')?.value).toBe(3);
  });
});
