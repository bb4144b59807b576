import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attributeValue, escapeAttribute, escapeText, resolveReference, unescapeXml } from './xml.ts';

test.each([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
  ['#65', 'A'],
  ['#x41', 'A'],
  ['#x1F980', '🦀'],
  ['#x1f980', '🦀'],
  ['#9', '\t'],
  ['#10', '\n'],
  ['#13', '\r'],
  ['#00000000065', 'A'],
  ['#xD7FF', '\ud7ff'],
  ['#xE000', '\ue000'],
  ['#xFFFD', '\ufffd'],
  ['#x10FFFF', '\u{10ffff}'],
])('&%s; stands for a character', (name, character) => expect(resolveReference(name)).toBe(character));

test.each([
  '',
  'nbsp',
  'LT',
  '#',
  '#x',
  '#X41',
  '#xG',
  '#-1',
  '#1e2',
  '#6 5',
  '#0',
  '#x0',
  '#8',
  '#x1F',
  '#xD800',
  '#xDFFF',
  '#xFFFE',
  '#xFFFF',
  '#x110000',
  '#000000000065',
  'constructor',
  'toString',
  '__proto__',
])('&%s; stands for nothing', (name) => expect(resolveReference(name)).toBeUndefined());

describe('escaping', () => {
  const anyText = fc.string({
    unit: fc.oneof(fc.constantFrom(...'&<>\'"\t\n\r;#x]'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
    maxLength: 20,
  });

  test('text comes back from between tags', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const escaped = escapeText(text);
        expect(escaped).not.toMatch(/[<>\r]|&(?!(?:amp|lt|gt|#13);)/);
        expect(unescapeXml(escaped)).toBe(text);
      }),
    );
  });

  test('a value comes back from an attribute with either quote, white space included', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const escaped = escapeAttribute(text);
        expect(escaped).not.toMatch(/[<>'"\t\n\r]/);
        expect(attributeValue(escaped)).toBe(text);
      }),
    );
  });

  test('nothing is unescaped twice', () => {
    expect(unescapeXml('&amp;lt; &#38;amp; &amp;#65;')).toBe('&lt; &amp; &#65;');
  });

  test('what is no reference stays', () => {
    expect(unescapeXml('a & b &nbsp; &; &&lt;')).toBe('a & b &nbsp; &; &<');
  });
});

test('white space in an attribute value is normalised, references to it are not (XML 1.0 §3.3.3)', () => {
  expect(attributeValue('a\tb\nc\r\nd\re  f')).toBe('a b c d e  f');
  expect(attributeValue('&#9;&#10;&#13;&#32;')).toBe('\t\n\r ');
});
