import { describe, expect, it } from 'vitest';
import { type PeerSession, SessionCache } from './session-cache.ts';

const session = (text: string): PeerSession => ({ ticket: Buffer.from(text), chain: [Buffer.from('leaf')] });

describe('The cache of TLS sessions', () => {
  it('gives what it was given, the newest for a key', () => {
    const cache = new SessionCache();
    cache.put('a', session('1'));
    cache.put('a', session('2'));
    expect(cache.get('a')).toEqual(session('2'));
    expect(cache.get('b')).toBeUndefined();
  });

  it('holds a thousand and lets go of those longest not renewed', () => {
    const cache = new SessionCache();
    for (let n = 0; n < 1000; n++) cache.put(String(n), session(String(n)));
    cache.put('0', session('renewed'));
    cache.put('1000', session('1000'));
    expect(cache.get('1')).toBeUndefined();
    expect(cache.get('0')).toEqual(session('renewed'));
    expect(cache.get('2')).toEqual(session('2'));
    expect(cache.get('1000')).toEqual(session('1000'));
  });

  it('forgets them all', () => {
    const cache = new SessionCache();
    cache.put('a', session('1'));
    cache.clear();
    expect(cache.get('a')).toBeUndefined();
  });
});
