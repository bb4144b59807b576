import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { called, spawned } from './cli.fixture.ts';

const commands = [
  [],
  ['init'],
  ['run'],
  ['check'],
  ['policy'],
  ['policy', 'lint'],
  ['policy', 'explain'],
  ['policy', 'schema'],
];

describe('help', () => {
  it.each(commands.map((words) => [words]))('of %j has an example', async (words) => {
    const { code, out, err } = await called(...words, '--help');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/\nExamples?:\n {2}\$ drawbridge /);
  });

  it('says --json of every command that does something', async () => {
    const working = commands.filter((words) => words.length > 0 && words.join() !== 'policy');
    for (const words of working) expect((await called(...words, '--help')).out).toContain('--json');
  });

  it.each([[[]], [['policy']]])('stands in for a missing command behind %j, as wrong use', async (words) => {
    const { code, out, err } = await called(...words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('Usage: drawbridge');
  });
});

describe('wrong use exits with 2 and says what was meant', () => {
  it.each([
    [['chek'], "unknown command 'chek'", 'Did you mean check?'],
    [['policy', 'explian'], "unknown command 'explian'", 'Did you mean explain?'],
    [['check', '--confg', 'x'], "unknown option '--confg'", 'Did you mean --config?'],
    [
      ['check', 'x'],
      "too many arguments for 'check'. Expected 0 arguments but got 1.",
      'See `drawbridge check --help`.',
    ],
    [['policy', 'explain'], "required option '--kind <kind>' not specified", 'See `drawbridge policy explain --help`.'],
    [['init', '--domain', '127.0.0.1'], 'A domain is written `contoso.example`.', 'See `drawbridge init --help`.'],
  ])('%j', async (args, said, remedy) => {
    const { code, out, err } = await called(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error wrong-use: /);
    expect(err).toContain(said);
    expect(err).toContain(`\n  → ${remedy}\n`);
  });

  it('as JSON with --json', async () => {
    const { code, out, err } = await called('check', '--confg', '--json');
    expect([code, err]).toEqual([2, '']);
    expect(JSON.parse(out)).toEqual({
      error: {
        code: 'wrong-use',
        message: "unknown option '--confg'",
        place: null,
        remedy: 'Did you mean --config?',
        findings: [],
      },
    });
  });
});

it('a fault has its code, and what helps', async () => {
  const { code, out, err } = await called('check', '-c', '/nowhere/gateway.yaml');
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(
    /^error config-unreadable: \/nowhere\/gateway\.yaml cannot be read: ENOENT.*\n {2}→ Check the path/,
  );
  const json = await called('check', '-c', '/nowhere/gateway.yaml', '--json');
  expect([json.code, json.err]).toEqual([1, '']);
  expect(JSON.parse(json.out)).toMatchObject({ error: { code: 'config-unreadable', place: null } });
});

describe('as a process', () => {
  it('the launcher and main.ts are the same program', async () => {
    const launcher = join(import.meta.dirname, '../drawbridge.js');
    const [direct, launched, wrong] = await Promise.all([
      spawned(['--version'], tmpdir()),
      spawned(['--version'], tmpdir(), launcher),
      spawned(['chek'], tmpdir(), launcher),
    ]);
    expect(direct).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' });
    expect(launched).toEqual(direct);
    expect(wrong).toMatchObject({ code: 2, out: '' });
  });
});
