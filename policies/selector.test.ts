import { describe, expect, it } from 'vitest';
import { address } from './policy.fixture.ts';
import { Matcher, parseSelector } from './selector.ts';

const everyone = ['a@x.example', 'b@x.example', 'x.example', 'a@y.example', 'a@sub.x.example'];

function matcher(...texts: string[]): Matcher {
  const made = new Matcher();
  for (const text of texts) {
    const read = parseSelector(text);
    if (!('value' in read)) throw new Error(read.problem);
    made.add(read.value);
  }
  return made;
}

describe('a selector', () => {
  it.each([
    ['*', everyone],
    ['a@x.example', ['a@x.example']],
    ['A@X.Example', ['a@x.example']],
    ['*@x.example', ['a@x.example', 'b@x.example']],
    ['x.example', ['x.example']],
  ])('%s means %j', (text, meant) => {
    expect(everyone.filter((one) => matcher(text).matches(address(one)))).toEqual(meant);
  });

  it.each([
    '',
    'a@',
    '*@',
    '*.x.example',
    'a*@x.example',
    '*@*',
    'a@x.example/phone',
    'group:',
    'group:a b',
    '*@a b',
    '**',
  ])('%j is refused', (text) => {
    expect(parseSelector(text)).toHaveProperty('problem');
  });

  it('names a group', () => {
    expect(parseSelector('group:executives')).toEqual({ value: { kind: 'group', name: 'executives' } });
  });
});

describe('a matcher covers another', () => {
  it.each([
    [['*'], ['a@x.example', '*@y.example'], true],
    [['*@x.example'], ['a@x.example'], true],
    [['*@x.example'], ['x.example'], false],
    [['a@x.example'], ['*@x.example'], false],
    [['*@x.example', 'x.example'], ['*'], false],
    [['a@x.example', 'b@x.example'], ['b@x.example'], true],
  ])('%j over %j: %s', (one, other, covers) => {
    expect(matcher(...one).covers(matcher(...other))).toBe(covers);
  });
});
