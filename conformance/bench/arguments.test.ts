import { describe, expect, it } from 'vitest';
import { readArguments } from './arguments.ts';

describe('The arguments of a bench', () => {
  it.each([
    { args: ['s2s'], read: { name: 's2s', json: false, quick: false, acks: false } },
    { args: ['s2s', '--json', '--quick'], read: { name: 's2s', json: true, quick: true, acks: false } },
    { args: ['--acks', 's2s'], read: { name: 's2s', json: false, quick: false, acks: true } },
  ])('are $args', ({ args, read }) => {
    expect(readArguments(args)).toEqual(read);
  });

  it.each([[[]], [['--json']], [['s2s', 'scanner']], [['s2s', '--fast']], [['s2s', '--']]])('are not %j', (args) => {
    expect(readArguments(args)).toBeUndefined();
  });
});
