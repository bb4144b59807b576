import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../policies/address.ts';
import { DomainReader } from './domain-reader.ts';

describe('Reading the domain of an address', () => {
  it.each([
    ['h.example', 'h.example'],
    ['u@h.example', 'h.example'],
    ['u@h.example/r', 'h.example'],
    ['h.example/u@evil.example', 'h.example'],
    ['u@h.example/x@y/z', 'h.example'],
    ['u@H.Example.', 'h.example'],
    ['u@bücher.example', 'xn--bcher-kva.example'],
    ['u@BÜCHER.example', 'xn--bcher-kva.example'],
    ['u@[2001:db8::1]', '[2001:db8::1]'],
    ['', undefined],
    ['u@', undefined],
    ['u@/r', undefined],
    ['u@a..b', undefined],
    ['u@h.example@evil.example', undefined],
  ])('%s is of %s', (address, domain) => {
    const reader = new DomainReader();
    expect(reader.of(address)).toBe(domain);
    expect(reader.of(address)).toBe(domain);
  });

  it('finds, where an address is valid, the domain that policy finds', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'B', '@', '/', '.', 'ü', '-', '1'), maxLength: 8 });
    fc.assert(
      fc.property(fc.tuple(part, part, part), ([local, domain, resource]) => {
        const address = `${local}@${domain}/${resource}`;
        const parsed = parseAddress(address);
        if (parsed !== undefined) expect(new DomainReader().of(address)).toBe(parsed.domain);
      }),
    );
  });

  it('stays right when a peer has more spellings than are remembered', () => {
    const reader = new DomainReader();
    for (let n = 0; n < 200; n++) expect(reader.of(`u@D${n}.example`)).toBe(`d${n}.example`);
    expect(reader.of('u@D0.example')).toBe('d0.example');
  });
});
