import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../policies/fault.ts';
import { type Identities, identitiesOf, namesXmppDomain } from './identity.ts';
import { createAuthority, issueCertificate, selfSignedCertificate } from './issue.ts';
import { certificateBlocks } from './pem.ts';
import { opensslCertificate } from './testing/openssl.ts';

const NONE: Identities = { dnsNames: [], srvNames: [], xmppAddresses: [], uris: [] };
const dns = (...dnsNames: string[]): Identities => ({ ...NONE, dnsNames });
const srv = (...srvNames: string[]): Identities => ({ ...NONE, srvNames });
const xmpp = (...xmppAddresses: string[]): Identities => ({ ...NONE, xmppAddresses });
const derOf = (pem: string): Buffer => certificateBlocks(pem)[0]?.der ?? Buffer.alloc(0);

describe('the names of a certificate speak for an XMPP domain', () => {
  test.each<[boolean, string, Identities, string]>([
    // DNS-ID, RFC 9525 §6.3 and RFC 6125 §6.4.
    [true, 'the same name', dns('im.example.com'), 'im.example.com'],
    [true, 'the same name in another case', dns('IM.Example.COM'), 'im.exAMPLE.com'],
    [true, 'one of several names', dns('a.example', 'b.example'), 'b.example'],
    [true, 'a reference with a root dot', dns('example.com'), 'example.com.'],
    [false, 'another name', dns('example.net'), 'example.com'],
    [false, 'a name below', dns('im.example.com'), 'example.com'],
    [false, 'a name above', dns('example.com'), 'im.example.com'],
    [false, 'a name that only ends alike', dns('notexample.com'), 'example.com'],
    [false, 'a presented name with a root dot', dns('example.com.'), 'example.com'],
    [false, 'no names at all', NONE, 'example.com'],
    // Wildcards, RFC 9525 §6.3.
    [true, 'a wildcard', dns('*.example.com'), 'foo.example.com'],
    [true, 'a wildcard in another case', dns('*.EXAMPLE.com'), 'FOO.example.com'],
    [true, 'a wildcard above an A-label', dns('*.example.com'), 'xn--bcher-kva.example.com'],
    [false, 'a wildcard for two labels', dns('*.example.com'), 'bar.foo.example.com'],
    [false, 'a wildcard for no label', dns('*.example.com'), 'example.com'],
    [false, 'a wildcard inside a label (front)', dns('*oo.example.com'), 'foo.example.com'],
    [false, 'a wildcard inside a label (back)', dns('f*.example.com'), 'foo.example.com'],
    [false, 'a wildcard inside a label (middle)', dns('f*o.example.com'), 'foo.example.com'],
    [false, 'a wildcard inside an A-label', dns('xn--*.example.com'), 'xn--bcher-kva.example.com'],
    [false, 'a wildcard that is not left-most', dns('foo.*.com'), 'foo.example.com'],
    [false, 'two wildcards', dns('*.*.com'), 'foo.example.com'],
    [false, 'a wildcard alone', dns('*'), 'localhost'],
    [false, 'a wildcard below the root', dns('*.'), 'localhost'],
    [false, 'a wildcard below a top-level domain', dns('*.example'), 'contoso.example'],
    [false, 'a wildcard as the reference', dns('*.example.com'), '*.example.com'],
    // IDN, RFC 9525 §6.3: A-labels.
    [true, 'an A-label for a U-label', dns('xn--bcher-kva.example'), 'bücher.example'],
    [true, 'an A-label for a U-label in another case', dns('XN--bcher-kva.example'), 'BÜCHER.example'],
    [false, 'a U-label in the certificate', dns('bücher.example'), 'bücher.example'],
    [false, 'a look-alike', dns('xn--exmple-cua.com'), 'example.com'],
    // Addresses are no domains, RFC 9525 §6.1.
    [false, 'an IPv4 address as a DNS name', dns('192.0.2.1'), '192.0.2.1'],
    [false, 'a wildcard for an IPv4 address', dns('*.0.2.1'), '192.0.2.1'],
    [false, 'an IPv6 address', dns('[2001:db8::1]'), '[2001:db8::1]'],
    [false, 'no domain', dns('example.com'), 'not a domain'],
    // SRV-ID, RFC 4985 and RFC 6120 §13.7.1.2.1.
    [true, 'a server name', srv('_xmpp-server.example.com'), 'example.com'],
    [true, 'a server name in another case', srv('_XMPP-Server.Example.com'), 'example.com'],
    [true, 'a wildcard server name', srv('_xmpp-server.*.example.com'), 'im.example.com'],
    [false, 'a client name', srv('_xmpp-client.example.com'), 'example.com'],
    [false, 'a server name of another domain', srv('_xmpp-server.example.net'), 'example.com'],
    [false, 'a server name with a protocol', srv('_xmpp-server._tcp.example.com'), 'example.com'],
    [false, 'a server name without service', srv('example.com'), 'example.com'],
    [false, 'a wildcard for the service', srv('*.example.com'), '_xmpp-server.example.com'],
    [false, 'a service as a DNS name', dns('_xmpp-server.example.com'), 'example.com'],
    // XmppAddr, RFC 6120 §13.7.1.4.
    [true, 'an address', xmpp('example.com'), 'example.com'],
    [true, 'an address with U-labels', xmpp('bücher.example'), 'xn--bcher-kva.example'],
    [false, 'an address of a user', xmpp('juliet@example.com'), 'example.com'],
    [false, 'an address with a resource', xmpp('example.com/balcony'), 'example.com'],
    [false, 'an address with a wildcard', xmpp('*.example.com'), 'im.example.com'],
    [false, 'an empty address', xmpp(''), 'example.com'],
    // Other forms.
    [false, 'a URI', { ...NONE, uris: ['xmpp:example.com', 'sip:example.com', 'https://example.com'] }, 'example.com'],
  ])('%s: %s', (expected, _, identities, domain) => {
    expect(namesXmppDomain(identities, domain)).toBe(expected);
  });

  test('never by the common name', async () => {
    const { certificatePem } = await selfSignedCertificate({ domains: ['other.example'], commonName: 'example.com' });
    expect(namesXmppDomain(identitiesOf(derOf(certificatePem)), 'example.com')).toBe(false);
    const bare = await selfSignedCertificate({ domains: [], commonName: 'example.com' });
    expect(namesXmppDomain(identitiesOf(derOf(bare.certificatePem)), 'example.com')).toBe(false);
  });

  test('a wildcard stands for any one label and nothing else', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9]{0,8}[a-z0-9])?$/);
    fc.assert(
      fc.property(label, label, label, (one, two, parent) => {
        const wildcard = dns(`*.${parent}.example`);
        expect(namesXmppDomain(wildcard, `${one}.${parent}.example`)).toBe(true);
        expect(namesXmppDomain(wildcard, `${one}.${two}.${parent}.example`)).toBe(false);
        expect(namesXmppDomain(wildcard, `${parent}.example`)).toBe(false);
      }),
    );
  });
});

describe('the names of a certificate are read', () => {
  test('as they were issued', async () => {
    const authority = await createAuthority({ name: 'Root' });
    const { certificatePem } = await issueCertificate(authority, {
      domains: ['Bücher.example', '*.contoso.example'],
      srvNames: ['_xmpp-server.contoso.example', '_xmpp-client.contoso.example'],
      xmppAddresses: ['contoso.example', 'bücher.example'],
      uris: ['sip:contoso.example'],
    });
    expect(identitiesOf(derOf(certificatePem))).toEqual({
      dnsNames: ['xn--bcher-kva.example', '*.contoso.example'],
      srvNames: ['_xmpp-server.contoso.example', '_xmpp-client.contoso.example'],
      xmppAddresses: ['contoso.example', 'bücher.example'],
      uris: ['sip:contoso.example'],
    });
  });

  test('as OpenSSL writes them, other forms and wrong string types left out', async () => {
    const { certificatePem } = await opensslCertificate({
      commonName: 'x',
      extensions: [
        'subjectAltName=@names',
        '[names]',
        'DNS.1=contoso.example',
        'IP.1=192.0.2.1',
        'email.1=a@contoso.example',
        'RID.1=1.2.3.4',
        'otherName.1=1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.contoso.example',
        'otherName.2=1.3.6.1.5.5.7.8.5;UTF8:contoso.example',
        'otherName.3=1.3.6.1.5.5.7.8.5;IA5:fabrikam.example',
        'otherName.4=1.3.6.1.5.5.7.8.7;UTF8:_xmpp-server.fabrikam.example',
        'otherName.5=1.2.3.4;UTF8:fabrikam.example',
        'URI.1=sip:contoso.example',
      ],
    });
    expect(identitiesOf(derOf(certificatePem))).toEqual({
      dnsNames: ['contoso.example'],
      srvNames: ['_xmpp-server.contoso.example'],
      xmppAddresses: ['contoso.example'],
      uris: ['sip:contoso.example'],
    });
  });

  test('without a name that hides behind a NUL', async () => {
    const { certificatePem } = await selfSignedCertificate({ domains: ['contoso.example'] });
    const der = derOf(certificatePem);
    const position = der.lastIndexOf('contoso.example') + 'contoso'.length;
    der[position] = 0;
    expect(identitiesOf(der).dnsNames).toEqual([]);
  });

  test('or the certificate is malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(thrownBy(() => identitiesOf(bytes))).toBe('certificate-malformed');
      }),
    );
  });
});

function thrownBy(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}
