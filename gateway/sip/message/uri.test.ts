import { describe, expect, test } from 'vitest';
import { decodeUser, formatUri, parseUri, schemeOf } from './uri.ts';
import { sameUri } from './uri-comparison.ts';

test('a URI is divided into its parts', () => {
  expect(parseUri('SIPS:Alice;x=1:se%63ret@Example.COM:5071;Transport=TCP;lr?Subject=a%20b&to=c')).toEqual({
    scheme: 'sips',
    user: 'Alice;x=1',
    password: 'se%63ret',
    host: 'example.com',
    port: 5071,
    params: new Map([
      ['transport', 'TCP'],
      ['lr', ''],
    ]),
    headers: 'Subject=a%20b&to=c',
  });
});

test.each([
  'sip:example.com',
  'sip:alice@example.com',
  'sip:alice:secret@example.com:5061;user=phone;lr',
  'sip:+1-555-0100;ext=3@example.com',
  'sip:*67#0100@pbx_1.example',
  'sips:[2001:db8::1]:5061;maddr=[2001:db8::2]',
  'sip:a@192.0.2.1?X-A=1',
  'sip:%00@example.com',
])('%s is written as it was read', (text) => {
  const uri = parseUri(text);
  expect(uri && formatUri(uri)).toBe(text);
});

test.each([
  ['', 'no scheme'],
  ['alice@example.com', 'no scheme'],
  ['sip:', 'no host'],
  ['sip:@example.com', 'an empty user'],
  ['sip:alice@', 'no host'],
  ['sip:alice@bob@example.com', 'two at signs'],
  ['sip:alice smith@example.com', 'a space'],
  ['sip:alice@example.com;', 'an empty parameter'],
  ['sip:alice@example.com;;lr', 'an empty parameter'],
  ['sip:alice@example.com;x=', 'a parameter without its value'],
  ['sip:alice@example.com;x=a=b', 'two equals signs'],
  ['sip:alice@example.com;lr;LR', 'a parameter twice'],
  ['sip:alice@example.com;lr;%6c%72', 'a parameter twice, once in escapes'],
  ['sip:alice@example.com?', 'an empty header part'],
  ['sip:alice@example.com:', 'an empty port'],
  ['sip:alice@example.com:0', 'port 0'],
  ['sip:alice@example.com:65536', 'a port too large'],
  ['sip:alice@example.com:5060x', 'a port with letters'],
  ['sip:alice@.example.com', 'an empty label'],
  ['sip:alice@example..com', 'an empty label'],
  ['sip:%4@example.com', 'half an escape'],
  ['sip:%zz@example.com', 'an escape without hex digits'],
  ['sip:alice@[2001:db8::1', 'no closing bracket'],
  ['sip:alice@[example.com]', 'a name in brackets'],
  ['sip:alice@2001:db8::1', 'an IPv6 address without brackets'],
  ['sip:[2001:db8:::1]', 'three colons in front of no IPv4 part'],
  ['sip:alice@exämple.com', 'a letter beyond ASCII'],
  ['sip:<alice>@example.com', 'brackets'],
  ['sip:alice\r\nX: y@example.com', 'a line end'],
  ['tel:+15550100', 'another scheme'],
])('%j is no SIP URI: %s', (text) => {
  expect(parseUri(text)).toBeUndefined();
});

test('the scheme of any URI is told', () => {
  expect(['TEL:+1555', 'sip:a@b', 'x-y.z+1:', 'no scheme', ':a', '1a:b', 'a b:c'].map(schemeOf)).toEqual([
    'tel',
    'sip',
    'x-y.z+1',
    '',
    '',
    '',
    '',
  ]);
});

test('the user is decoded as UTF-8, or not at all', () => {
  expect(decodeUser('al%69ce%40home')).toBe('alice@home');
  expect(decodeUser('j%C3%B6rg')).toBe('jörg');
  expect(decodeUser('%00')).toBe('\0');
  expect(decodeUser('%C3')).toBeUndefined();
  expect(decodeUser('%')).toBeUndefined();
});

describe('RFC 3261 §19.1.4', () => {
  test.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    ['sip:carol@chicago.com;newparam=5', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['sip:a@[2001:DB8::1]', 'sip:a@[2001:db8:0::0:1]'],
    ['sip:a%3b@b', 'sip:a%3B@b'],
  ])('%s is %s', (a, b) => {
    expect(same(a, b)).toBe(true);
    expect(same(b, a)).toBe(true);
  });

  test.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP', 'the user is another'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060', 'the port may be another'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp', 'the transport may be another'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp', 'port and transport may be others'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting', 'a header is there once'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4', 'a name is no address, whatever it resolves to'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off', 'a common parameter differs'],
    ['sip:bob@biloxi.com', 'sips:bob@biloxi.com', 'the scheme is another'],
    ['sip:biloxi.com', 'sip:bob@biloxi.com', 'a user is there once'],
    ['sip:bob@biloxi.com', 'sip:bob:x@biloxi.com', 'a password is there once'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;user=ip', 'user is there once'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;ttl=1', 'ttl is there once'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;method=INVITE', 'method is there once'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;maddr=192.0.2.4', 'maddr is there once'],
    ['sip:a;b@c', 'sip:a%3Bb@c', 'an escape of a reserved character is not the character'],
  ])('%s is not %s: %s', (a, b) => {
    expect(same(a, b)).toBe(false);
    expect(same(b, a)).toBe(false);
  });
});

function same(a: string, b: string): boolean {
  const [first, second] = [parseUri(a), parseUri(b)];
  if (first === undefined || second === undefined) throw new Error('One is no URI.');
  return sameUri(first, second);
}
