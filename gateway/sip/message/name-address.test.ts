import { expect, test } from 'vitest';
import { formatNameAddress, parseNameAddress, tagOf } from './name-address.ts';

test.each([
  ['<sip:a@b>', '', 'sip:a@b', {}],
  ['sip:a@b;tag=1', '', 'sip:a@b', { tag: '1' }],
  ['<sip:a@b;lr>;TAG=x', '', 'sip:a@b;lr', { tag: 'x' }],
  ['"Bob \\"B\\" <x>" <sip:a@b>', 'Bob "B" <x>', 'sip:a@b', {}],
  ['Bob Jones<sip:a@b>', 'Bob Jones', 'sip:a@b', {}],
  ['Jörg Müller <sip:a@b>', 'Jörg Müller', 'sip:a@b', {}],
  ['"" <sip:a@b>', '', 'sip:a@b', {}],
  ['tel:+1-555-0100;tag=1', '', 'tel:+1-555-0100', { tag: '1' }],
  ['<tel:+1555;phone-context=x>', '', 'tel:+1555;phone-context=x', {}],
  ['sip:a@b;x="<y>;z"', '', 'sip:a@b', { x: '<y>;z' }],
  ['<sip:a,b@c>;+sip.instance="<urn:uuid:1>"', '', 'sip:a,b@c', { '+sip.instance': '<urn:uuid:1>' }],
])('%s is read', (text, display, uri, params) => {
  expect(parseNameAddress(text)).toEqual({ display, uri, params: new Map(Object.entries(params)) });
});

test.each([
  '',
  'alice',
  '<>',
  '<alice>',
  '< sip:a@b>',
  '<sip:a@b',
  '"Bob <sip:a@b>',
  '"Bob"',
  '"Bob" sip:a@b',
  '"Bob" x <sip:a@b>',
  'Bell, A. <sip:a@b>',
  'Bob (home) <sip:a@b>',
  '<sip:a@b> <sip:c@d>',
  '<sip:a@b>, <sip:c@d>',
  '<sip:a@b>x',
  '<sip:a@b>;',
  '<sip:a@b>;tag=',
  '<sip:a@b>;tag=1;tag=2',
  '<sip:a@b>;tag="1',
  '<sip:a<c@b>',
  '<sip:ä@b>',
  'sip:a@b?x=y',
  'sip:a,b@c',
  'sip:a@b c',
])('%j is malformed', (text) => {
  expect(() => parseNameAddress(text)).toThrow(expect.objectContaining({ code: 'sip-malformed' }));
});

test('it is written with brackets and quotes, and reads the same', () => {
  const address = {
    display: 'Bob "B" \\',
    uri: 'sip:a@b;lr',
    params: new Map([
      ['tag', '1'],
      ['x', 'a b'],
      ['y', ''],
    ]),
  };
  const text = formatNameAddress(address);
  expect(text).toBe('"Bob \\"B\\" \\\\" <sip:a@b;lr>;tag=1;x="a b";y');
  expect(parseNameAddress(text)).toEqual(address);
  expect(formatNameAddress({ display: '', uri: 'tel:+1', params: new Map() })).toBe('<tel:+1>');
});

test('the tag is told', () => {
  expect(tagOf(parseNameAddress('<sip:a@b>;tag=1a'))).toBe('1a');
  expect(tagOf(parseNameAddress('<sip:a@b;tag=no>'))).toBe('');
});
