import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readDocument } from './document.ts';
import { findingText } from './finding.ts';
import { duration } from './units.ts';

const schema = z.strictObject({
  name: z.string().describe('What it is called.'),
  mode: z.enum(['open', 'closed', 'ajar']).optional(),
  wait: duration('1s', '1h').optional(),
  port: z.int().min(1).max(65_535).optional(),
  many: z
    .array(z.strictObject({ key: z.string(), size: z.number().optional() }))
    .max(2)
    .optional(),
  either: z.union([z.array(z.enum(['one', 'two'])), z.strictObject({ all: z.array(z.string()) })]).optional(),
  named: z.record(z.string().regex(/^[a-z]+$/, 'use small letters'), z.array(z.string())).optional(),
  choice: z
    .discriminatedUnion('by', [
      z.strictObject({ by: z.literal('door'), handle: z.string() }),
      z.strictObject({ by: z.literal('window'), pane: z.string() }),
    ])
    .optional(),
});

function findings(text: string): string[] {
  const reading = readDocument(text, 'f.yaml', schema);
  return 'findings' in reading ? reading.findings.map(findingText) : [];
}

describe('what is wrong in a file is said with its place and a remedy', () => {
  it.each([
    [
      'an unknown key',
      'name: x\nprot: 1',
      'f.yaml:2:1: error: unknown key `prot`: did you mean `port`? (keys here: port,',
    ],
    ['an unknown key without a near one', 'name: x\nzzzzzz: 1', 'f.yaml:2:1: error: unknown key `zzzzzz` (keys here:'],
    [
      'an unknown key within a list',
      'name: x\nmany:\n  - key: a\n    sise: 1',
      'f.yaml:4:5: error: unknown key `sise`: did you mean `size`?',
    ],
    [
      'an unknown key of a union',
      'name: x\neither: { al: [], all: [] }',
      'f.yaml:2:11: error: unknown key `al`: did you mean `all`?',
    ],
    [
      'an unknown key of a choice',
      'name: x\nchoice: { by: door, handle: h, handel: 1 }',
      'f.yaml:2:32: error: unknown key `handel`: did you mean `handle`? (keys here: handle, by)',
    ],
    ['a missing key', 'mode: open', 'f.yaml:1:1: error: the key `name` is missing (`name`: What it is called.)'],
    ['a missing key within a list', 'name: x\nmany:\n  - size: 1', 'f.yaml:3:5: error: the key `key` is missing'],
    ['a wrong type', 'name: [x]', 'f.yaml:1:7: error: expected a text, found a list (What it is called.)'],
    ['an empty value', 'name:\nport: 1', 'f.yaml:1:1: error: expected a text, found nothing'],
    [
      'a wrong word',
      'name: x\nmode: opne',
      'f.yaml:2:7: error: `opne` is not one of: open, ajar, closed (did you mean `open`?)',
    ],
    [
      'a shortened word',
      'name: x\nmode: close',
      'f.yaml:2:7: error: `close` is not one of: closed, open, ajar (did you mean `closed`?)',
    ],
    [
      'a wrong word in a union',
      'name: x\neither: [one, tow]',
      'f.yaml:2:15: error: `tow` is not one of: two, one (did you mean `two`?)',
    ],
    [
      'a wrong choice',
      'name: x\nchoice: { by: dor }',
      'f.yaml:2:15: error: `dor` is not one of: door, window (did you mean `door`?)',
    ],
    ['a wrong type of a union', 'name: x\neither: 5', 'f.yaml:2:9: error: this value does not fit, found `5`'],
    ['a number out of bounds', 'name: x\nport: 70000', 'f.yaml:2:7: error: must be at most 65535'],
    ['too many entries', 'name: x\nmany: [{key: a}, {key: b}, {key: c}]', 'f.yaml:2:7: error: needs at most 2 entries'],
    [
      'a name of the wrong form',
      'name: x\nnamed: { Ab: [] }',
      'f.yaml:2:14: error: `Ab` is no name here: use small letters',
    ],
    [
      'a bad unit',
      'name: x\nwait: 3 hour',
      'f.yaml:2:7: error: `hour` is no unit here: did you mean `h`? (units here: ms, s, min, h, d)',
    ],
    [
      'a duration without a unit',
      'name: x\nwait: 3',
      'f.yaml:2:7: error: a duration is written with its unit, like `30s`, found `3`',
    ],
    ['a key that stands twice', 'name: x\nport: 1\nname: y', 'f.yaml:3:1: error: the key `name` stands here twice'],
    [
      'a key that stands twice deeper down',
      'name: x\nmany: [{ key: a, "key": b }]',
      'f.yaml:2:18: error: the key `key` stands here twice',
    ],
    ['a tab', 'many:\n\t- key: x', 'f.yaml:2:1: error: YAML is not indented with tabs'],
    ['a second document', 'name: x\n---\nname: y', 'f.yaml:2:1: error: a second document begins here'],
    ['a tag', 'name: !secret x', 'f.yaml:1:7: error: YAML tags'],
    ['an unquoted star', 'name: *.example', 'f.yaml:1:7: error: in YAML `*.example` is an alias'],
    ['an unclosed list', 'name: [x', 'f.yaml:1:9: error: not YAML:'],
    ['a list instead of keys', '- name', 'f.yaml:1:1: error: expected a map of keys, found a list'],
    ['an empty file', '', 'f.yaml:1:1: error: expected a map of keys, found nothing'],
    ['comments alone', '# name: x\n', 'f.yaml:1:1: error: expected a map of keys, found nothing'],
    ['a key of the prototype', 'name: x\n__proto__: { port: 1 }', 'f.yaml:2:1: error: unknown key `__proto__`'],
    ['a merge key', 'name: x\n<<: { port: 1 }', 'f.yaml:2:1: error: unknown key `<<`'],
  ])('%s', (_what, text, expected) => {
    expect(findings(text)[0]).toContain(expected);
  });

  it('all of it at once, by place', () => {
    const text = 'mode: shut\nport: no\nnmae: x\n';
    expect(findings(text).map((finding) => finding.split(': ')[0])).toEqual([
      'f.yaml:1:1',
      'f.yaml:1:7',
      'f.yaml:2:7',
      'f.yaml:3:1',
    ]);
  });
});

describe('what could hurt', () => {
  it('an alias bomb is refused', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `a${level + 1}: &a${level + 1} [${`*a${level}, `.repeat(9)}]`,
    );
    expect(findings(`a0: &a0 [x]\n${levels.join('\n')}`)[0]).toContain('alias');
  });

  it('thousands of aliases are refused before they are followed', () => {
    expect(findings(`name: &a x\nmany: [${'*a, '.repeat(10_000)}]`)[0]).toContain('too many aliases');
  });

  it('an alias to what contains it is refused', () => {
    expect(findings('name: x\nmany: &a [*a]')).not.toEqual([]);
  });

  it('nesting without end is refused', () => {
    expect(findings(`name: ${'['.repeat(50_000)}`)).not.toEqual([]);
    expect(findings(`name: ${'[{a: '.repeat(5_000)}1${'}]'.repeat(5_000)}`)).not.toEqual([]);
  });

  it('a flood of mistakes is reported in part', () => {
    expect(findings(Array.from({ length: 5_000 }, (_, n) => `k${n}: 1`).join('\n')).length).toBeLessThanOrEqual(50);
  });

  it('no text makes reading throw', () => {
    const pieces = [
      'name',
      ': ',
      '\n',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '"',
      "'",
      '\t',
      '!!set',
      '? ',
      '|\n',
      '#',
      '%',
      ',',
      '<<',
    ];
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary' }))), (parts) => {
        const reading = readDocument(parts.join(''), 'f.yaml', schema);
        if ('findings' in reading) expect(reading.findings.length).toBeGreaterThan(0);
        else expect(typeof reading.value.name).toBe('string');
      }),
      { numRuns: 500 },
    );
  });
});

describe('a source finds places again', () => {
  const text = 'name: x\nmany:\n  - { key: a,\n      size: 1 }\n  - &b { key: b }\nnamed:\n  x: [p, q]\n';
  const reading = readDocument(text, 'f.yaml', schema);
  if ('findings' in reading) throw new Error(reading.findings.map(findingText).join());
  const { source } = reading;

  it.each([
    [['name'], 1, 7],
    [['many', 1], 5, 8],
    [['many', 0, 'size'], 4, 13],
    [['named', 'x', 1], 7, 10],
    [['named', 'y'], 7, 3],
    [['absent', 'deeper'], 1, 1],
  ] as const)('the value at %j stands at %d:%d', (path, line, column) => {
    expect(source.place(path)).toEqual({ file: 'f.yaml', line, column });
  });

  it('and their keys', () => {
    expect(source.keyPlace(['many', 0, 'size'])).toEqual({ file: 'f.yaml', line: 4, column: 7 });
  });

  it('and what was written, on one line', () => {
    expect(source.written(['many', 0])).toBe('{ key: a, size: 1 }');
  });
});
