import { expect, test } from 'vitest';
import { formatVia, parseVia } from './via.ts';

test.each([
  ['SIP/2.0/TLS a.example:5061;branch=z9hG4bKx;rport;alias', 'TLS', 'a.example', 5061, 'z9hG4bKx'],
  [
    'sip / 2.0 / udp First.Example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1',
    'UDP',
    'first.example.com',
    4000,
    'z9hG4bKa7c6a8dlze.1',
  ],
  ['SIP/2.0/TCP [2001:DB8::1]:5060', 'TCP', '[2001:db8::1]', 5060, ''],
  ['SIP/2.0/TLS\t192.0.2.1', 'TLS', '192.0.2.1', undefined, ''],
])('%s is read', (text, transport, host, port, branch) => {
  expect(parseVia(text)).toMatchObject({ transport, host, port, branch });
});

test.each([
  '',
  'SIP/2.0',
  'SIP/2.0/TLS',
  'SIP/2.0/TLShost',
  'SIP/2.0/ host',
  'SIP/7.0/TLS host',
  'HTTP/2.0/TLS host',
  'SIP/2.0/TLS host:',
  'SIP/2.0/TLS host:99999',
  'SIP/2.0/TLS host other',
  'SIP/2.0/TLS host;;',
  'SIP/2.0/TLS host;branch=a;branch=b',
  'SIP/2.0/TLS host;branch=a,',
  'SIP/2.0/TLS 2001:db8::1',
  'SIP/2.0/TLS [2001:db8::1',
])('%j is malformed', (text) => {
  expect(() => parseVia(text)).toThrow(expect.objectContaining({ code: 'sip-malformed' }));
});

test('it is written as it was read', () => {
  const text = 'SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bKx;received=2001:db8::2;alias';
  expect(formatVia(parseVia(text))).toBe(text);
});

test('a Via of our own needs no branch among its parameters', () => {
  const params = new Map([['alias', '']]);
  expect(formatVia({ transport: 'TLS', host: 'a.example', port: undefined, branch: 'z9hG4bKx', params })).toBe(
    'SIP/2.0/TLS a.example;branch=z9hG4bKx;alias',
  );
});
