import { describe, expect, test } from 'vitest';
import type { ReasonCode } from '../policies/reasons.ts';
import { createAuthority, issueCertificate, type KeyPair, selfSignedCertificate } from './issue.ts';
import { AUTHORITY, daysFromNow, derOf, dersOf, flip, reasonOf, verify } from './testing/chains.ts';
import { opensslCertificate } from './testing/openssl.ts';

/** What a chain is refused for: one table over {@link verify}, a row a way to fail. */
const domains = ['contoso.example'];
const past = { notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) };
const later = { notBefore: daysFromNow(1), notAfter: daysFromNow(9) };

const root = await createAuthority({ name: 'Root' });
const middle = await createAuthority({ name: 'Middle', issuer: root });
const leaf = await issueCertificate(middle, { domains });
const self = await selfSignedCertificate({ domains });
const stranger = await createAuthority({ name: 'Stranger' });
const namesake = await opensslCertificate({ commonName: 'Root', extensions: AUTHORITY });
const rsaRoot = await createAuthority({ name: 'RSA', keyType: 'rsa' });

const from = (issuer: KeyPair) => issueCertificate(issuer, { domains });
const odd = (issuer: KeyPair, extensions: string[] = []) => opensslCertificate({ commonName: 'x', issuer, extensions });
const oddKey = (...newKey: string[]) => opensslCertificate({ commonName: 'x', issuer: root, newKey });
const breakEnd = (der: Buffer): Buffer => flip(der, der.length - 1);
const pss = (hash: 'sha1' | 'sha256') =>
  opensslCertificate({
    commonName: 'x',
    issuer: rsaRoot,
    digest: hash,
    signatureOptions: ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', `rsa_mgf1_md:${hash}`],
  });

async function deepChain(levels: number): Promise<Buffer[]> {
  let authority = root;
  for (let level = 0; level < levels; level += 1) {
    authority = await createAuthority({ name: `Level ${level}`, issuer: authority });
  }
  return dersOf(await from(authority));
}

type Row = [
  expected: ReasonCode | 'ok',
  what: string,
  chain: () => Promise<readonly Uint8Array[]> | readonly Uint8Array[],
  trusted?: readonly KeyPair[],
];

const narrow = await createAuthority({ name: 'Narrow', pathLength: 0 });
const underNarrow = await createAuthority({ name: 'Under', issuer: narrow });
const fenced = await createAuthority({ name: 'Fenced', issuer: root, permittedDomains: ['fabrikam.example'] });
const lateRoot = await createAuthority({ name: 'Late', ...past });
const lateMiddle = await createAuthority({ name: 'Late Middle', issuer: root, ...past });
const lateSelf = await selfSignedCertificate({ domains, ...past });
const signsNothing = await opensslCertificate({
  commonName: 'No signer',
  issuer: root,
  extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,cRLSign'],
});
const sha1Middle = await opensslCertificate({ commonName: 'Old', issuer: root, extensions: AUTHORITY, digest: 'sha1' });
const rsa1024 = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'];
const weakMiddle = await opensslCertificate({
  commonName: 'Weak',
  issuer: root,
  extensions: AUTHORITY,
  newKey: rsa1024,
});
const weakRoot = await opensslCertificate({ commonName: 'Weak Root', extensions: AUTHORITY, newKey: rsa1024 });
const edwards = await opensslCertificate({ commonName: 'E', extensions: AUTHORITY, newKey: ['-algorithm', 'ED25519'] });

const rows: Row[] = [
  ['certificate-missing', 'an empty chain', () => []],

  ['certificate-malformed', 'what is no DER', () => [Buffer.from('hello')]],
  ['certificate-malformed', 'an empty certificate', () => [Buffer.alloc(0)]],
  ['certificate-malformed', 'a leaf cut short', () => [derOf(leaf).subarray(0, -1)]],
  ['certificate-malformed', 'a byte too many', () => [Buffer.concat([derOf(leaf), Buffer.of(0)])]],
  ['certificate-malformed', 'a needed intermediate cut short', () => [derOf(leaf), derOf(middle).subarray(0, -1)]],

  ['certificate-expired', 'a leaf', async () => dersOf(await issueCertificate(root, { domains, ...past }))],
  [
    'certificate-expired',
    'an intermediate',
    async () => dersOf(await issueCertificate(lateMiddle, { domains, notAfter: daysFromNow(1) })),
  ],
  [
    'certificate-expired',
    'an anchor',
    async () => dersOf(await issueCertificate(lateRoot, { domains, notAfter: daysFromNow(1) })),
    [lateRoot],
  ],
  ['certificate-expired', 'a pinned certificate', () => dersOf(lateSelf), [lateSelf]],
  ['certificate-not-yet-valid', 'a leaf', async () => dersOf(await issueCertificate(root, { domains, ...later }))],

  ['certificate-self-signed', 'a certificate nobody lists', () => dersOf(self)],
  ['certificate-self-signed', 'the same, expired too', () => dersOf(lateSelf)],
  ['certificate-untrusted', 'a chain of another authority', () => dersOf(leaf), [stranger]],
  ['certificate-untrusted', 'a chain where nothing is trusted', () => dersOf(leaf), []],
  ['certificate-untrusted', 'a root that only the peer sends', () => [...dersOf(leaf), derOf(root)], [stranger]],
  ['certificate-untrusted', 'a missing intermediate', () => [derOf(leaf)]],

  ['certificate-bad-signature', 'a leaf', () => [breakEnd(derOf(leaf)), derOf(middle)]],
  ['certificate-bad-signature', 'an intermediate', () => [derOf(leaf), breakEnd(derOf(middle))]],
  ['certificate-bad-signature', 'a self-signed certificate', () => [breakEnd(derOf(self))]],
  [
    'certificate-bad-signature',
    'an issuer that only has the name of the anchor',
    async () => dersOf(await odd(namesake)),
  ],

  ['certificate-bad-chain', 'a leaf that is an authority', () => [derOf(middle)]],
  ['certificate-bad-chain', 'an issuer that is no authority', async () => dersOf(await odd(leaf), leaf)],
  ['certificate-bad-chain', 'a pinned certificate that issues', async () => dersOf(await odd(self)), [self]],
  [
    'certificate-bad-chain',
    'an authority without keyCertSign',
    async () => dersOf(await odd(signsNothing), signsNothing),
  ],
  ['certificate-bad-chain', 'more authorities than pathLen', async () => dersOf(await from(underNarrow)), [narrow]],
  ['certificate-bad-chain', 'a name outside the constraints', async () => dersOf(await from(fenced))],
  [
    'certificate-bad-chain',
    'an unknown critical extension',
    async () => dersOf(await odd(root, ['1.2.3.4=critical,ASN1:NULL'])),
  ],
  ['ok', 'an unknown extension that is not critical', async () => dersOf(await odd(root, ['1.2.3.4=ASN1:NULL']))],
  ['ok', 'a path of eight', () => deepChain(6)],
  ['certificate-bad-chain', 'a path of nine', () => deepChain(7)],
  ['certificate-bad-chain', 'eleven certificates', () => Array.from({ length: 11 }, () => derOf(leaf))],
  ['certificate-bad-chain', 'more than 64 KiB', () => [derOf(leaf), Buffer.alloc(65_536)]],

  ['certificate-weak', 'RSA of 1024 bits', async () => dersOf(await oddKey(...rsa1024))],
  ['certificate-weak', 'RSA of 1024 bits in an intermediate', async () => dersOf(await odd(weakMiddle), weakMiddle)],
  ['certificate-weak', 'RSA of 1024 bits in the anchor', async () => dersOf(await odd(weakRoot)), [weakRoot]],
  [
    'certificate-weak',
    'an RSA exponent that makes verification dear',
    async () => dersOf(await oddKey('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_pubexp:18446744073709551629')),
  ],
  [
    'certificate-weak',
    'a small curve',
    async () => dersOf(await oddKey('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp224r1')),
  ],
  [
    'certificate-weak',
    'SHA-1',
    async () => dersOf(await opensslCertificate({ commonName: 'x', issuer: root, digest: 'sha1' })),
  ],
  ['certificate-weak', 'SHA-1 on an intermediate', async () => dersOf(await odd(sha1Middle), sha1Middle)],
  ['certificate-weak', 'RSASSA-PSS with SHA-1', async () => dersOf(await pss('sha1')), [rsaRoot]],
  ['ok', 'RSASSA-PSS with SHA-256', async () => dersOf(await pss('sha256')), [rsaRoot]],
  ['ok', 'SHA-1 on the anchor, where it proves nothing', async () => dersOf(await odd(sha1Middle)), [sha1Middle]],
  ['ok', 'Ed25519', async () => dersOf(await odd(edwards)), [edwards]],
];

describe('a chain is answered with', () => {
  test.each(rows)('%s: %s', async (expected, _, chain, trusted) => {
    const result = verify(await chain(), trusted ?? [root]);
    expect(reasonOf(result)).toBe(expected);
    if (!result.ok) expect(result.detail).toMatch(/^\S.+\.$/);
  });
});
