import { expect, it } from 'vitest';
import { attributesOf, endOfName, endOfStartTag, textOf } from './start-tag-bytes.ts';

it.each([
  ['<auth/>', ''],
  ['<auth></auth>', ''],
  ['<auth a=\'>\' b="/>">text</auth >', 'text'],
  ["<auth a='>text'/>", ''],
  ['<auth>te<x/>xt</auth>', 'te'],
  ['<auth>a>b</auth>', 'a>b'],
])('the text of %s', (xml, text) => {
  expect(textOf(Buffer.from(xml))).toBe(text);
});

it('reads each attribute where it stands', () => {
  const bytes = Buffer.from(`<iq\n a = "ü>" \t b='c="d"'>x='y'</iq>`);
  const read = [...attributesOf(bytes)].map(({ name, valueStart, valueEnd, start, end }) => [
    name,
    bytes.toString('utf8', valueStart, valueEnd),
    bytes.toString('utf8', start, end),
  ]);
  expect(read).toEqual([
    ['a', 'ü>', 'a = "ü>"'],
    ['b', 'c="d"', `b='c="d"'`],
  ]);
  expect(bytes.toString('utf8', endOfName(bytes), endOfName(bytes) + 1)).toBe('\n');
  expect(bytes.toString('utf8', endOfStartTag(bytes))).toBe("x='y'</iq>");
});

// Whoever looks anew from each of these characters is at it for minutes: a peer that is nobody yet may send them.
it.each([
  ['space', `<auth a='1'${' '.repeat(1_000_000)}/>`],
  ['what looks like the end of a tag', `<auth a='1' b='${'>'.repeat(1_000_000)}'/>`],
  ['what looks like attributes', `<auth a='1' b='${" c= '".replaceAll("'", '"').repeat(200_000)}'/>`],
])('reads a tag that is mostly %s in one pass', (_what, xml) => {
  const bytes = Buffer.from(xml);
  expect(textOf(bytes)).toBe('');
  expect([...attributesOf(bytes)][0]).toMatchObject({ name: 'a' });
});
