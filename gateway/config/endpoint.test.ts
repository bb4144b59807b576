import { describe, expect, it } from 'vitest';
import { host, listenAddress, nameServer } from './endpoint.ts';

describe('an address to listen on', () => {
  it.each([
    ['0.0.0.0:5269', '0.0.0.0', 5269],
    ['[::]:5269', '::', 5269],
    ['[fe80::1]:0', 'fe80::1', 0],
    ['localhost:65535', 'localhost', 65_535],
  ])('%s', (text, name, port) => {
    expect(listenAddress.parse(text)).toEqual({ host: name, port });
  });

  it.each(['5269', ':5269', '::1:5269', '0.0.0.0', '0.0.0.0:65536', '[127.0.0.1]:1', 'a b:1', '[::]', 5269])(
    'not %j',
    (text) => {
      expect(listenAddress.safeParse(text).success).toBe(false);
    },
  );
});

describe('a DNS server', () => {
  it.each(['127.0.0.1', '127.0.0.1:53', '::1', '[::1]', '[::1]:5353'])('%s', (text) => {
    expect(nameServer.parse(text)).toBe(text);
  });

  it.each(['dns.example', '127.0.0.1:0', '127.0.0.1:65536', '[127.0.0.1]:53', '1.2.3', '', 'udp://1.1.1.1'])(
    'not %j',
    (text) => {
      expect(nameServer.safeParse(text).success).toBe(false);
    },
  );
});

describe('a host', () => {
  it.each(['127.0.0.1', '::1', 'xmpp.contoso.example', 'localhost'])('%s', (text) => {
    expect(host.parse(text)).toBe(text);
  });

  it.each(['', 'a:1', 'a b', 'http://a', '[::1]:1'])('not %j', (text) => {
    expect(host.safeParse(text).success).toBe(false);
  });
});
