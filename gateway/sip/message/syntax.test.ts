import { describe, expect, test } from 'vitest';
import { parseHead } from './parse.ts';
import { syntaxFault } from './syntax.ts';

/** The lines of a sound INVITE by their names. */
const sound = {
  start: 'INVITE sip:b@c.example SIP/2.0',
  Via: 'SIP/2.0/TLS a.example;branch=z9hG4bKx',
  'Max-Forwards': '70',
  From: '<sip:a@b>;tag=1',
  To: '<sip:b@c.example>',
  'Call-ID': 'x@y',
  CSeq: '1 INVITE',
  Contact: '<sip:a@b>',
};

test.each<[string, Partial<Record<string, string>>]>([
  ['as it is', {}],
  ['without Max-Forwards', { 'Max-Forwards': '' }],
  ['without a tag', { From: 'sip:a@b' }],
  ['without a branch', { Via: 'SIP/2.0/TLS a.example' }],
  ['with the largest CSeq', { CSeq: '2147483647 INVITE' }],
  ['of another scheme', { start: 'INVITE tel:+1555 SIP/2.0', To: '<tel:+1555>' }],
  ['with the version in lower case', { start: 'INVITE sip:a sip/2.0' }],
  ['for all contacts', { start: 'REGISTER sip:a SIP/2.0', CSeq: '1 REGISTER', Contact: '*' }],
  ['with several routes', { Route: '<sip:a;lr>, <sip:b;lr>' }],
])('an INVITE %s is sound', (_, changes) => {
  expect(faultOf(changes)).toBeUndefined();
});

test.each<[string, Partial<Record<string, string>>]>([
  ['no Via', { Via: '' }],
  ['no From', { From: '' }],
  ['no To', { To: '' }],
  ['no Call-ID', { 'Call-ID': '' }],
  ['no CSeq', { CSeq: '' }],
  ['a CSeq too large', { CSeq: '2147483648 INVITE' }],
  ['a CSeq without a method', { CSeq: '1' }],
  ['a CSeq of more', { CSeq: '1 INVITE x' }],
  ['a CSeq with a sign', { CSeq: '-1 INVITE' }],
  ['a CSeq of another case', { CSeq: '1 invite' }],
  ['Max-Forwards past 255', { 'Max-Forwards': '256' }],
  ['Max-Forwards that are no number', { 'Max-Forwards': '7x' }],
  ['a Call-ID with spaces', { 'Call-ID': 'a b' }],
  ['a list of Call-IDs', { 'Call-ID': 'a, b' }],
  ['two From addresses', { From: '<sip:a@b>, <sip:c@d>' }],
  ['a SIP address in From that is none', { From: '<sip:a@b@c>;tag=1' }],
  ['a SIP address in To that is none', { To: '<sips:b c>' }],
  ['a SIP address in Contact that is none', { Contact: '<sip:a@b;x=>' }],
  ['a Contact that is a star and more', { Contact: '*, <sip:a@b>' }],
  ['a Route without a URI', { Route: '<a>' }],
  ['an empty element of a Route', { Route: '<sip:a;lr>,' }],
  ['a second Route that is malformed', { Route: '<sip:a;lr>, <sip:b' }],
  ['a Record-Route that is malformed', { 'Record-Route': '<sip:a' }],
  ['a second Via that is malformed', { Via: 'SIP/2.0/TLS a;branch=z9hG4bKx, SIP/2.0/TLS' }],
  ['a branch that is the cookie alone', { Via: 'SIP/2.0/TLS a;branch=Z9hG4bK' }],
  ['an Expires too large', { Expires: '4294967296' }],
  ['an Expires that is no number', { Expires: 'soon' }],
  ['a relative Request-URI', { start: 'INVITE alice SIP/2.0' }],
  ['a method in the Request-URI', { start: 'INVITE sip:a;method=BYE SIP/2.0' }],
  ['a version that is none', { start: 'INVITE sip:a SIP/2' }],
])('%s is answered with 400', (_, changes) => {
  expect(faultOf(changes)?.status).toBe(400);
});

test.each(['Call-ID', 'Content-Type', 'CSeq', 'Expires', 'From', 'Max-Forwards', 'Refer-To', 'Replaces', 'To'])(
  'two of %s are answered with 400',
  (name) => {
    const value: string = name in sound ? sound[name as keyof typeof sound] : 'x';
    expect(faultOf({ [name]: `${value}\r\n${name.toLowerCase()}: ${value}` })?.status).toBe(400);
  },
);

test.each(['SIP/7.0', 'SIP/1.0', 'SIP/2.1', 'SIP/20.0'])('%s is answered with 505', (version) => {
  expect(faultOf({ start: `INVITE sip:a ${version}` })).toEqual({ status: 505, reason: 'Version Not Supported' });
});

describe('responses', () => {
  test.each(['SIP/2.0 200 OK', 'SIP/2.0 699 x', 'SIP/2.0 100'])('%s is sound', (start) => {
    expect(faultOf({ start })).toBeUndefined();
  });

  test.each(['SIP/2.0 99 x', 'SIP/2.0 700 x', 'SIP/2.0 2000 x', 'SIP/3.0 200 OK'])('%s has a fault', (start) => {
    expect(faultOf({ start })).toBeDefined();
  });

  test('one without a CSeq has a fault, and throws none', () => {
    expect(faultOf({ start: 'SIP/2.0 200 OK', CSeq: 'x' })).toEqual({ status: 400, reason: 'The CSeq is malformed' });
  });
});

/** The fault of the sound INVITE with some lines changed; '' takes one away. */
function faultOf(changes: Partial<Record<string, string>>): ReturnType<typeof syntaxFault> {
  const { start, ...lines } = { ...sound, ...changes };
  const written = Object.entries(lines).filter(([, value]) => value !== '');
  return syntaxFault(parseHead(Buffer.from([start, ...written.map(([n, v]) => `${n}: ${v}`)].join('\r\n'))));
}
