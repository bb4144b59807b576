import { describe, expect, test } from 'vitest';
import { der, oid, sequence, tag } from './der.ts';
import { canonicalName } from './names.ts';

const PRINTABLE_STRING = 0x13;
const attribute = (type: string, text: string, valueTag: number = tag.utf8String): Buffer =>
  sequence(oid(type), der(valueTag, Buffer.from(text)));
const name = (...relatives: Buffer[][]): Buffer =>
  sequence(...relatives.map((attributes) => der(tag.set, ...attributes)));
const cn = (text: string, valueTag?: number): Buffer => name([attribute('2.5.4.3', text, valueTag)]);

describe('two distinguished names (RFC 5280 §7.1)', () => {
  test.each([
    [true, 'the same bytes', cn('Root'), cn('Root')],
    [true, 'another case', cn('Root CA'), cn('ROOT ca')],
    [true, 'another string type', cn('Root'), cn('Root', PRINTABLE_STRING)],
    [true, 'runs of spaces', cn('Root  CA '), cn(' Root CA')],
    [
      true,
      'the order inside a relative name',
      name([attribute('2.5.4.3', 'a'), attribute('2.5.4.10', 'b')]),
      name([attribute('2.5.4.10', 'b'), attribute('2.5.4.3', 'a')]),
    ],
    [false, 'another value', cn('Root'), cn('Roots')],
    [false, 'another attribute', cn('Root'), name([attribute('2.5.4.10', 'Root')])],
    [
      false,
      'the order of relative names',
      name([attribute('2.5.4.3', 'a')], [attribute('2.5.4.10', 'b')]),
      name([attribute('2.5.4.10', 'b')], [attribute('2.5.4.3', 'a')]),
    ],
    [
      false,
      'one relative name or two',
      name([attribute('2.5.4.3', 'a'), attribute('2.5.4.3', 'b')]),
      name([attribute('2.5.4.3', 'a')], [attribute('2.5.4.3', 'b')]),
    ],
    [false, 'a value that looks like two', cn('a/b'), name([attribute('2.5.4.3', 'a')], [attribute('2.5.4.3', 'b')])],
    [false, 'text and a type that is no text', cn('Root'), cn('Root', tag.octetString)],
  ])('%s: %s', (equal, _, one, other) => {
    expect(canonicalName(one).join('/') === canonicalName(other).join('/')).toBe(equal);
  });
});
