import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCsv } from './csv.ts';

describe('a CSV file', () => {
  it.each([
    ['a,b', [['a', 'b']]],
    [
      'a,b\r\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['\ufeffa,b\rc', [['a', 'b'], ['c']]],
    ['a,,b,', [['a', '', 'b', '']]],
    ['"a,b","say ""hi""",""', [['a,b', 'say "hi"', '']]],
    [' a , b ', [[' a ', ' b ']]],
    ['\n \na\n\n', [['a']]],
    ['', []],
    ['""""', [['"']]],
  ])('%j', (text, rows) => {
    expect(readCsv(text).map((line) => ('fields' in line ? line.fields : line.problem))).toEqual(rows);
  });

  it('is spoilt by a forgotten quote for one line only', () => {
    expect(readCsv('a,b\n"c,d\ne"f,g\n"h"i,j\nk')).toEqual([
      { line: 1, fields: ['a', 'b'] },
      { line: 2, problem: 'a quote is not closed on its line' },
      { line: 3, problem: expect.stringContaining('a quote stands inside a field') },
      { line: 4, problem: expect.stringContaining('between a closing quote and the comma') },
      { line: 5, fields: ['k'] },
    ]);
  });

  it('comes back as it was written, quoted or not', () => {
    const field = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, ' '));
    const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 5 });
    fc.assert(
      fc.property(rows, fc.boolean(), (written, always) => {
        const quoted = (text: string): string =>
          always || /[",\ufeff]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
        const text = written.map((fields) => fields.map(quoted).join(',')).join('\r\n');
        expect(readCsv(text).map((line) => 'fields' in line && line.fields)).toEqual(written);
      }),
    );
  });
});
