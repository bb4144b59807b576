import { describe, expect, it, test } from 'vitest';
import { type Identities, identitiesOf } from './identity.ts';
import { createAuthority, issueCertificate } from './issue.ts';
import { namesSipDomain, sipIdentities } from './sip-identity.ts';
import { derOf } from './testing/chains.ts';

const NONE: Identities = { dnsNames: [], srvNames: [], xmppAddresses: [], uris: [] };
const names = (uris: readonly string[], dnsNames: readonly string[] = []): Identities => ({ ...NONE, uris, dnsNames });

describe('the SIP identities of a certificate (RFC 5922 §7.1)', () => {
  test.each<[string, Identities, string[]]>([
    ['a SIP URI', names(['sip:example.com']), ['example.com']],
    ['a SIP URI before DNS names', names(['sip:example.com'], ['proxy.example.com']), ['example.com']],
    ['several SIP URIs', names(['sip:example.com', 'sip:example.net']), ['example.com', 'example.net']],
    ['the same one twice', names(['sip:example.com', 'SIP:EXAMPLE.com']), ['example.com']],
    ['the scheme in another case', names(['SIP:Example.COM']), ['example.com']],
    ['the host of a URI with port and parameters', names(['sip:example.com:5061;transport=tls']), ['example.com']],
    ['DNS names where there is no URI', names([], ['example.com', 'a.example']), ['example.com', 'a.example']],
    ['DNS names beside URIs of other schemes', names(['https://x.example'], ['example.com']), ['example.com']],
    ['no user, so DNS names count', names(['sip:alice@example.com'], ['example.com']), ['example.com']],
    ['no user', names(['sip:alice@example.com']), []],
    ['no sips', names(['sips:example.com']), []],
    ['no sips, so DNS names count', names(['sips:example.com'], ['example.net']), ['example.net']],
    ['no address in a URI', names(['sip:192.0.2.1', 'sip:[2001:db8::1]']), []],
    ['no address as a DNS name', names([], ['192.0.2.1']), []],
    ['no wildcard in a URI', names(['sip:*.example.com']), []],
    ['no wildcard', names([], ['*.example.com']), []],
    ['no empty URI', names(['sip:']), []],
    ['no root dot', names([], ['example.com.']), []],
    ['no SRV name', { ...NONE, srvNames: ['_sips.example.com'] }, []],
    ['nothing', NONE, []],
  ])('%s', (_, identities, expected) => {
    expect(sipIdentities(identities)).toEqual(expected);
  });

  it('takes wildcards where they are asked for, of DNS names only', () => {
    expect(sipIdentities(names([], ['*.example.com', '*', 'f*.example.com']), { wildcards: true })).toEqual([
      '*.example.com',
    ]);
    expect(sipIdentities(names(['sip:*.example.com']), { wildcards: true })).toEqual([]);
  });

  it('reads them out of a real certificate, the common name never', async () => {
    const authority = await createAuthority({ name: 'Authority' });
    const pair = await issueCertificate(authority, {
      domains: ['proxy.example.com'],
      uris: ['sip:example.com', 'sip:alice@example.org'],
      commonName: 'example.net',
    });
    expect(sipIdentities(identitiesOf(derOf(pair)))).toEqual(['example.com']);
  });
});

describe('comparing a SIP domain (RFC 5922 §7.2)', () => {
  test.each<[boolean, string, Identities, string]>([
    [true, 'the same', names(['sip:example.com']), 'example.com'],
    [true, 'in another case', names([], ['Example.COM']), 'eXample.com'],
    [true, 'a U-label', names([], ['xn--bcher-kva.example']), 'bücher.example'],
    [false, 'a name below', names([], ['example.com']), 'sip.example.com'],
    [false, 'a name above', names([], ['sip.example.com']), 'example.com'],
    [false, 'a suffix', names([], ['ample.com']), 'example.com'],
    [false, 'a wildcard', names([], ['*.example.com']), 'sip.example.com'],
    [false, 'a DNS name beside a URI', names(['sip:example.com'], ['example.net']), 'example.net'],
    [false, 'an address', names([], ['192.0.2.1']), '192.0.2.1'],
    [false, 'no domain', names([], ['example.com']), 'not a domain'],
  ])('%s: %s', (expected, _, identities, domain) => {
    expect(namesSipDomain(identities, domain)).toBe(expected);
  });

  test.each<[boolean, string, string]>([
    [true, '*.example.com', 'sip.example.com'],
    [true, '*.Example.com', 'SIP.example.com'],
    [false, '*.example.com', 'a.b.example.com'],
    [false, '*.example.com', 'example.com'],
    [false, '*.com', 'example.com'],
  ])('%s: the wildcard %s for %s where it is asked for', (expected, name, domain) => {
    expect(namesSipDomain(names([], [name]), domain, { wildcards: true })).toBe(expected);
  });
});
