import { describe, expect, it } from 'vitest';
import type { ProofKind } from '../../policies/trust.ts';
import { Border, setOf } from './bridge.fixture.ts';
import { PartnerTrust } from './partner-trust.ts';
import type { Evidence } from './ports.ts';

const POLICY = `partner: p.example
domains: [p.example, "*.p.example"]
trust:
  accept: ACCEPT
limits: { connections: 3 }
`;
const evidence = (proof: ProofKind, domain: string, holds = true): Evidence => ({
  proof,
  domain,
  holds,
  reason: holds ? 'allowed' : 'certificate-expired',
  detail: '',
});
const trusting = (accept: string): PartnerTrust => {
  const policies = setOf(POLICY.replace('ACCEPT', accept));
  return new PartnerTrust(() => policies);
};

describe('trust', () => {
  it.each([
    ['[certificate, dialback]', [evidence('certificate', 'p.example')], true],
    ['[certificate, dialback]', [evidence('certificate', 'p.example', false), evidence('dialback', 'p.example')], true],
    ['[certificate]', [evidence('dialback', 'p.example')], false],
    ['[certificate]', [evidence('certificate', 'p.example', false)], false],
    ['[certificate]', [evidence('certificate', 'sub.p.example')], false],
    ['[certificate]', [], false],
    ['{ all: [certificate, dialback] }', [evidence('certificate', 'p.example')], false],
    [
      '{ all: [certificate, dialback] }',
      [evidence('certificate', 'p.example'), evidence('dialback', 'p.example')],
      true,
    ],
    [
      '{ all: [certificate, dialback] }',
      [evidence('certificate', 'p.example'), evidence('dialback', 'other.p.example')],
      false,
    ],
  ])('%s of %j: %s, by the line that demands it', (accept, proofs, sufficient) => {
    expect(trusting(accept).judge('p.example', proofs, 'xmpp')).toEqual({
      sufficient,
      reason: sufficient ? 'allowed' : 'trust-insufficient',
      place: expect.objectContaining({ line: 4 }),
    });
  });

  it('is none without a policy, nor in our own name', () => {
    const proof = (domain: string): Evidence[] => [evidence('certificate', domain)];
    expect(trusting('[certificate]').judge('stranger.example', proof('stranger.example'), 'xmpp').reason).toBe(
      'no-partner',
    );
    const { bridge } = new Border(
      'partner: example\ndomains: [example, "*.example"]\ntrust: { accept: [certificate] }',
    );
    expect(bridge.trust('p.example', proof('p.example')).sufficient).toBe(true);
    expect(bridge.trust('contoso.example', proof('contoso.example'))).toEqual({
      sufficient: false,
      reason: 'no-partner',
    });
  });
});

describe('the streams of a partner', () => {
  it('are as many as its policy allows, all its domains together', () => {
    const trust = trusting('[certificate]');
    const admit = (domain: string): boolean => trust.admit(domain).sufficient;
    expect(['p.example', 'a.p.example', 'a.p.example', 'b.p.example'].map(admit)).toEqual([true, true, true, false]);
    trust.release('b.p.example');
    expect(admit('p.example')).toBe(false);
    trust.release('a.p.example');
    expect(['b.p.example', 'p.example'].map(admit)).toEqual([true, false]);
  });

  it('are none for strangers', () => {
    const { bridge } = new Border(POLICY.replace('ACCEPT', '[certificate]'));
    expect(bridge.admitStream('stranger.example')).toEqual({ sufficient: false, reason: 'no-partner' });
    const admitted = [1, 2, 3, 4].map(() => bridge.admitStream('p.example'));
    expect(admitted.map(({ sufficient }) => sufficient)).toEqual([true, true, true, false]);
    expect(admitted[3]).toMatchObject({ reason: 'connections-full', place: { line: expect.any(Number) } });
    bridge.releaseStream('p.example');
    expect(bridge.admitStream('p.example').sufficient).toBe(true);
  });
});
