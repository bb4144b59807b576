import { describe, expect, it } from 'vitest';
import { policyOf } from '../policy.fixture.ts';
import { PLAIN_TRUNK, trunk } from './trunk.ts';

describe('a trunk', () => {
  it('is read with its defaults', () => {
    const { trunk: read } = policyOf(
      'partner: p.example\nspeaks: sip\ntrunk: { hosts: [SBC.p.example, "192.0.2.7:5061"] }',
    );
    expect(read?.section).toEqual({
      hosts: [{ host: 'sbc.p.example' }, { host: '192.0.2.7', port: 5061 }],
      ...PLAIN_TRUNK,
    });
    expect(read?.place.line).toBe(3);
  });

  it('is none where the file does not say', () => {
    expect(policyOf('partner: p.example').trunk).toBeUndefined();
    expect(PLAIN_TRUNK).toEqual({
      allowWildcardCertificate: false,
      messageBytes: 1_300,
      receipts: 'none',
      sipsToXmpp: false,
    });
  });

  it.each([
    '192.0.2.7',
    '192.0.2.0/24',
    '0.0.0.0/0',
    '255.255.255.255',
    '2001:db8::7',
    '2001:db8::/32',
    '::ffff:192.0.2.1',
  ])('comes from %s', (network) => expect(trunk.parse({ addresses: [network] }).addresses).toEqual([network]));

  it.each(['256.0.0.1', '192.0.2', '192.0.2.0/', '192.0.2.0/8/8', '::1/129', '::1::', 'p.example', '1.2.3.4.'])(
    'comes not from %s',
    (network) => expect(trunk.safeParse({ addresses: [network] }).success).toBe(false),
  );

  it.each([
    ['[2001:db8::7]:5061', { host: '2001:db8::7', port: 5061 }],
    ['[2001:db8::7]', { host: '2001:db8::7', port: undefined }],
    ['bücher.example:5070', { host: 'xn--bcher-kva.example', port: 5070 }],
  ])('is at %s', (text, host) => expect(trunk.parse({ hosts: [text] }).hosts).toEqual([host]));
});
