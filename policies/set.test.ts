import { describe, expect, it } from 'vitest';
import { policyOf } from './policy.fixture.ts';
import { PolicySet } from './set.ts';

describe('the partner of a domain', () => {
  const set = new PolicySet([
    policyOf('partner: a.example\ndomains: [a.example, "*.a.example"]'),
    policyOf('partner: deep.a.example\ndomains: [deep.a.example, "*.deep.a.example"]'),
    policyOf('partner: one.a.example'),
    policyOf('partner: bücher.example'),
  ]);

  it.each([
    ['a.example', 'a.example'],
    ['A.Example.', 'a.example'],
    ['x.a.example', 'a.example'],
    ['x.y.a.example', 'a.example'],
    ['one.a.example', 'one.a.example'],
    ['x.one.a.example', 'a.example'],
    ['deep.a.example', 'deep.a.example'],
    ['x.deep.a.example', 'deep.a.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    ['sub.bücher.example', undefined],
    ['ba.example', undefined],
    ['example', undefined],
    ['.a.example', undefined],
    ['', undefined],
    ['a.example/x', undefined],
  ])('%j is %s', (domain, name) => {
    expect(set.partnerOf(domain)?.name).toBe(name);
    expect(set.partnerOf(domain)?.name).toBe(name);
  });

  it('is found after any number of others', () => {
    for (let n = 0; n < 10_000; n += 1) expect(set.partnerOf(`n${n}.deep.a.example`)?.name).toBe('deep.a.example');
    expect(set.partnerOf('n1.deep.a.example')?.name).toBe('deep.a.example');
    expect(set.partnerOf('n1.stranger.example')).toBeUndefined();
  });
});
