import { describe, expect, it } from 'vitest';
import { trustedPath, weakest } from './security.ts';

describe('weakest', () => {
  it('is the worst of what it is given', () => {
    expect(weakest('secure', 'secure')).toBe('secure');
    expect(weakest('secure', 'insecure')).toBe('insecure');
    expect(weakest('insecure', 'bogus', 'secure')).toBe('bogus');
  });
});

describe('trustedPath', () => {
  const isTrusted = trustedPath(['192.0.2.53', '2001:db8::53']);

  it.each(['127.0.0.1', '127.8.8.8', '::1', '192.0.2.53', '2001:db8:0::53'])('trusts %s', (address) => {
    expect(isTrusted(address)).toBe(true);
  });

  it.each(['192.0.2.54', '128.0.0.1', '2001:db8::54', '::2'])('does not trust %s', (address) => {
    expect(isTrusted(address)).toBe(false);
  });
});
