import { describe, expect, test } from 'vitest';
import { createAuthority, type KeyPair } from './issue.ts';
import { AUTHORITY, dersOf, reasonOf, verify } from './testing/chains.ts';
import { opensslCertificate } from './testing/openssl.ts';

const root = await createAuthority({ name: 'Root' });
const SRV = 'otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.';
const XMPP = 'otherName:1.3.6.1.5.5.7.8.5;UTF8:';

async function chainUnder(constraints: string, names: string, commonName = ''): Promise<KeyPair[]> {
  const extensions = [...AUTHORITY, `nameConstraints=critical,${constraints}`];
  const fenced = await opensslCertificate({ commonName: 'Fenced', issuer: root, extensions });
  const leaf = await opensslCertificate({
    commonName,
    issuer: fenced,
    extensions: [`subjectAltName=critical,${names}`],
  });
  return [leaf, fenced];
}

describe('an authority held to names (RFC 5280 §4.2.1.10) may issue', () => {
  test.each([
    // dNSName.
    [true, 'permitted;DNS:a.example', 'DNS:a.example'],
    [true, 'permitted;DNS:a.example', 'DNS:im.A.example,DNS:*.a.example'],
    [true, 'permitted;DNS:a.example,permitted;DNS:b.example', 'DNS:a.example,DNS:b.example'],
    [true, 'permitted;DNS:.a.example', 'DNS:im.a.example'],
    [false, 'permitted;DNS:.a.example', 'DNS:a.example'],
    [false, 'permitted;DNS:a.example', 'DNS:b.example'],
    [false, 'permitted;DNS:a.example', 'DNS:nota.example'],
    [false, 'permitted;DNS:a.example', 'DNS:a.example,DNS:b.example'],
    [true, 'excluded;DNS:a.example', 'DNS:b.example'],
    [false, 'excluded;DNS:a.example', 'DNS:a.example'],
    [false, 'excluded;DNS:a.example', 'DNS:im.a.example'],
    [false, 'excluded;DNS:im.a.example', 'DNS:*.a.example'],
    [false, 'permitted;DNS:a.example,excluded;DNS:im.a.example', 'DNS:im.a.example'],
    // Every other name that stands for a domain.
    [true, 'permitted;DNS:a.example', `${SRV}a.example`],
    [false, 'permitted;DNS:a.example', `DNS:a.example,${SRV}b.example`],
    [true, 'permitted;DNS:a.example', `${XMPP}a.example`],
    [false, 'permitted;DNS:a.example', `DNS:a.example,${XMPP}b.example`],
    [false, 'excluded;DNS:b.example', `${XMPP}B.example.`],
    [true, 'permitted;DNS:a.example', 'URI:sip:a.example'],
    [false, 'permitted;DNS:a.example', 'DNS:a.example,URI:sip:b.example'],
    [false, 'permitted;DNS:a.example', 'DNS:a.example,URI:sips:a.example@b.example:5061'],
    [true, 'permitted;DNS:a.example', 'DNS:a.example,URI:https://b.example/'],
    // Forms that are not processed count where they occur.
    [true, 'excluded;IP:0.0.0.0/0.0.0.0', 'DNS:a.example'],
    [false, 'excluded;IP:0.0.0.0/0.0.0.0', 'DNS:a.example,IP:192.0.2.1'],
    [false, 'permitted;email:a.example', 'DNS:a.example,email:x@a.example'],
    [false, 'permitted;URI:a.example', 'DNS:a.example,URI:sip:a.example'],
  ])('%s: %s for %s', async (allowed, constraints, names) => {
    const chain = dersOf(...(await chainUnder(constraints, names)));
    expect(reasonOf(verify(chain, [root]))).toBe(allowed ? 'ok' : 'certificate-bad-chain');
  });

  test.each([
    [true, 'permitted', 'Contoso'],
    [true, 'permitted', 'CONTOSO'],
    [false, 'permitted', 'Fabrikam'],
    [false, 'excluded', 'Contoso'],
    [true, 'excluded', 'Fabrikam'],
  ])('%s: %s directory Contoso for %s', async (allowed, kind, commonName) => {
    const [section, ...rest] = [`${kind};dirName:base`, '[base]', 'CN=Contoso'];
    const chain = dersOf(...(await chainUnder([section, ...rest].join('\n'), 'DNS:a.example', commonName)));
    expect(reasonOf(verify(chain, [root]))).toBe(allowed ? 'ok' : 'certificate-bad-chain');
  });

  test('nothing that its intermediates would widen', async () => {
    const extensions = [...AUTHORITY, 'nameConstraints=critical,permitted;DNS:a.example'];
    const fenced = await opensslCertificate({ commonName: 'Fenced', issuer: root, extensions });
    const wide = await createAuthority({ name: 'Wide', issuer: fenced, permittedDomains: ['b.example'] });
    for (const domain of ['a.example', 'b.example']) {
      const leaf = await opensslCertificate({
        commonName: '',
        issuer: wide,
        extensions: [`subjectAltName=critical,DNS:${domain}`],
      });
      expect(reasonOf(verify(dersOf(leaf, wide), [root]))).toBe('certificate-bad-chain');
    }
  });

  test('by constraints on the anchor itself, too', async () => {
    const anchor = await createAuthority({ name: 'Partner', permittedDomains: ['a.example'] });
    const leaf = (domain: string) =>
      opensslCertificate({ commonName: '', issuer: anchor, extensions: [`subjectAltName=critical,DNS:${domain}`] });
    expect(reasonOf(verify(dersOf(await leaf('a.example')), [anchor]))).toBe('ok');
    expect(reasonOf(verify(dersOf(await leaf('b.example')), [anchor]))).toBe('certificate-bad-chain');
  });
});
