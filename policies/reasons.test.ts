import { describe, expect, it } from 'vitest';
import { type ReasonCode, reasons } from './reasons.ts';

/** RFC 6120 §8.3.3 with the error types that it gives each condition; `undefined-condition` has any. */
const conditions: Readonly<Record<string, readonly string[]>> = {
  'bad-request': ['modify'],
  conflict: ['cancel'],
  'feature-not-implemented': ['cancel', 'modify'],
  forbidden: ['auth'],
  gone: ['cancel'],
  'internal-server-error': ['cancel'],
  'item-not-found': ['cancel'],
  'jid-malformed': ['modify'],
  'not-acceptable': ['modify'],
  'not-allowed': ['cancel'],
  'not-authorized': ['auth'],
  'policy-violation': ['modify', 'wait'],
  'recipient-unavailable': ['wait'],
  redirect: ['modify'],
  'registration-required': ['auth'],
  'remote-server-not-found': ['cancel'],
  'remote-server-timeout': ['wait'],
  'resource-constraint': ['wait'],
  'service-unavailable': ['cancel'],
  'subscription-required': ['auth'],
  'undefined-condition': ['auth', 'cancel', 'continue', 'modify', 'wait'],
  'unexpected-request': ['wait', 'modify'],
};
/** Where another type tells a sender better whether to try again (§8.3.2); what the RFC gives is a SHOULD. */
const departures: readonly ReasonCode[] = [
  'direction-denied',
  'iq-unsolicited',
  'dialback-unsolicited',
  'stream-protocol',
  'home-unavailable',
  'shutting-down',
];
const types = ['auth', 'cancel', 'continue', 'modify', 'wait'];

describe.each(Object.keys(reasons) as ReasonCode[])('the reason %s', (code) => {
  const { xmpp, type, sip, operator } = reasons[code];

  it('is a kebab-case code', () => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  it('is a stanza error of RFC 6120 §8.3', () => {
    expect(Object.keys(conditions)).toContain(xmpp);
    expect(departures.includes(code) ? types : conditions[xmpp]).toContain(type);
  });

  it('is a final SIP status, of success where nothing is refused', () => {
    expect(Number.isInteger(sip)).toBe(true);
    expect(sip).toBeGreaterThanOrEqual(200);
    expect(sip).toBeLessThan(700);
    expect(sip < 300).toBe(type === 'continue');
  });

  it('is one sentence for the operator', () => {
    expect(operator).toMatch(/^[A-Z][^\n]*[^.\s]\.$/);
    expect(operator.length).toBeLessThan(100);
  });
});

it('tells hidden users apart from absent ones by the code alone, not by what the partner sees', () => {
  const { xmpp, type } = reasons['presence-hidden'];
  for (const code of ['policy-silent', 'no-partner', 'iq-namespace-denied'] as const) {
    expect(reasons[code]).toMatchObject({ xmpp, type });
  }
});
