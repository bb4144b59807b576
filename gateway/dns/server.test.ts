import { describe, expect, it } from 'vitest';
import { formatNameServer, parseNameServer } from './server.ts';

describe('parseNameServer', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1:53'],
    ['192.0.2.1:5353', '192.0.2.1:5353'],
    ['2001:db8::1', '[2001:db8::1]:53'],
    ['[2001:db8::1]', '[2001:db8::1]:53'],
    ['[2001:db8::1]:5353', '[2001:db8::1]:5353'],
  ])('reads %s as %s', (text, server) => {
    expect(formatNameServer(parseNameServer(text))).toBe(server);
  });

  it.each(['', 'dns.example', '192.0.2.1:', '192.0.2.1:0', '192.0.2.1:65536', '[192.0.2.1', '2001:db8::1:x'])(
    'refuses %j',
    (text) => {
      expect(() => parseNameServer(text)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
    },
  );
});
