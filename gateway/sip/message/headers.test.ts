import { describe, expect, test } from 'vitest';
import { Headers } from './headers.ts';

test('names are case-insensitive, and compact ones are known', () => {
  const headers = new Headers([
    ['v', 'SIP/2.0/TLS a'],
    ['call-id', '1'],
    ['X-Own', 'x'],
  ]);
  expect([...headers]).toEqual([
    ['Via', 'SIP/2.0/TLS a'],
    ['Call-ID', '1'],
    ['X-Own', 'x'],
  ]);
  expect(headers.get('VIA')).toBe('SIP/2.0/TLS a');
  expect(headers.get('i')).toBe('1');
  expect(headers.get('x-OWN')).toBe('x');
  expect(headers.has('X-Other')).toBe(false);
});

describe('lists', () => {
  test.each([
    ['Route', '<sip:a,b@c;lr> , <sip:d>', ['<sip:a,b@c;lr>', '<sip:d>']],
    ['Contact', '"Bell, A." <sip:a@b>;q=1,sip:c@d', ['"Bell, A." <sip:a@b>;q=1', 'sip:c@d']],
    ['Contact', '"a\\", b" <sip:a@b>, <sip:c@d>', ['"a\\", b" <sip:a@b>', '<sip:c@d>']],
    ['Contact', '<sip:a"b@c>, <sip:d"@e>', ['<sip:a"b@c>', '<sip:d"@e>']],
    ['Supported', '', []],
    ['Supported', ', 100rel,,timer,', ['100rel', 'timer']],
    ['Warning', '399 a "b, c", 399 d "e"', ['399 a "b, c"', '399 d "e"']],
    ['Date', 'Sat, 15 Oct 2005 04:44:56 GMT', ['Sat, 15 Oct 2005 04:44:56 GMT']],
    ['Subject', 'a, b', ['a, b']],
    ['X-Unknown', 'a, b', ['a, b']],
    ['WWW-Authenticate', 'Digest realm="a", nonce="b"', ['Digest realm="a", nonce="b"']],
  ])('%s: %s', (name, value, elements) => {
    const headers = new Headers([[name, value]]);
    expect(headers.all(name)).toEqual(elements);
    expect(headers.get(name)).toBe(elements[0]);
    expect(headers.lines(name)).toEqual([value]);
  });

  test('those of several lines are one, and empty elements can be seen', () => {
    const headers = new Headers([
      ['Via', 'a, b'],
      ['Subject', 'x'],
      ['Via', 'c,'],
    ]);
    expect(headers.all('Via')).toEqual(['a', 'b', 'c']);
    expect(headers.elements('Via')).toEqual(['a', 'b', 'c', '']);
    expect(headers.count('Via')).toBe(2);
  });
});

test('a value is set in its place, once', () => {
  const headers = new Headers([
    ['To', 'a'],
    ['X-A', '1'],
    ['From', 'b'],
    ['x-a', '2'],
  ]);
  headers.set('x-A', ' 3\t').set('New', 'n');
  expect([...headers]).toEqual([
    ['To', 'a'],
    ['X-A', '3'],
    ['From', 'b'],
    ['New', 'n'],
  ]);
});

test('what is added stands beside its like', () => {
  const headers = new Headers([
    ['Via', '2'],
    ['To', 'a'],
  ]);
  headers.add('Via', '3').addFirst('v', '1').add('From', 'b').addFirst('Max-Forwards', '70');
  expect([...headers].map(([name, value]) => `${name} ${value}`)).toEqual([
    'Max-Forwards 70',
    'Via 1',
    'Via 2',
    'Via 3',
    'To a',
    'From b',
  ]);
});

test('the first element of a list can be taken away, and whole names', () => {
  const headers = new Headers([
    ['Via', '1, 2'],
    ['Via', '3'],
    ['To', 'a'],
    ['X-A', 'x'],
    ['x-a', 'y'],
  ]);
  const copy = headers.clone();
  headers.deleteFirst('Via');
  expect(headers.all('Via')).toEqual(['2', '3']);
  headers.deleteFirst('Via').deleteFirst('Via').deleteFirst('Via').delete('X-A');
  expect([...headers]).toEqual([['To', 'a']]);
  expect(copy.all('Via')).toEqual(['1', '2', '3']);
});

test('what may stand there once and stands there twice is told', () => {
  expect(
    new Headers([
      ['To', 'a'],
      ['Via', '1'],
      ['Via', '2'],
    ]).repeated,
  ).toBeUndefined();
  expect(
    new Headers([
      ['i', '1'],
      ['Via', '1'],
      ['Call-ID', '1'],
    ]).repeated,
  ).toBe('Call-ID');
});
