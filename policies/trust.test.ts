import { expect, it } from 'vitest';
import { policyOf } from './policy.fixture.ts';
import { type ProofKind, suffices } from './trust.ts';

it.each([
  ['[certificate, dialback]', ['dialback'], true],
  ['[certificate, dialback]', ['certificate', 'dane'], true],
  ['[certificate]', ['dialback', 'dane', 'posh'], false],
  ['[certificate]', [], false],
  ['{ all: [certificate, dialback] }', ['certificate'], false],
  ['{ all: [certificate, dialback] }', ['dialback', 'certificate'], true],
  ['{ all: [dane] }', ['dane', 'posh'], true],
] as const)('accept: %s is met by %j: %s', (accept, proofs, met) => {
  const { trust } = policyOf(`partner: a.example\ntrust:\n  accept: ${accept}`);
  expect(suffices(trust, new Set<ProofKind>(proofs))).toBe(met);
  expect(trust.rule).toEqual({ file: 'partner.yaml', line: 3, column: 3 });
});

it('without a trust section nothing suffices', () => {
  const { trust } = policyOf('partner: a.example');
  expect(suffices(trust, new Set<ProofKind>(['certificate', 'dane', 'posh', 'dialback']))).toBe(false);
});
