import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createAuthority, issueCertificate, type KeyPair, selfSignedCertificate } from './issue.ts';
import { AUTHORITY, daysFromNow, derOf, dersOf, flip, now, reasonOf, verify } from './testing/chains.ts';
import { opensslCertificate } from './testing/openssl.ts';
import { trustFromPem } from './trust.ts';
import { fingerprint, type Purpose, verifyChain } from './verify.ts';

const domains = ['contoso.example'];
const root = await createAuthority({ name: 'Root' });
const middle = await createAuthority({ name: 'Middle', issuer: root, pathLength: 0 });
const leaf = await issueCertificate(middle, { domains });
const selfCa = await opensslCertificate({ commonName: 'x', extensions: ['basicConstraints=critical,CA:TRUE'] });
const pinned = await selfSignedCertificate({ domains });

/** The authority again: same name and key, another issuer (or none). */
function certifyAgain(subject: KeyPair, commonName: string, issuer?: KeyPair): Promise<KeyPair> {
  const again = { commonName, keyPem: subject.keyPem, extensions: AUTHORITY };
  return opensslCertificate(issuer === undefined ? again : { ...again, issuer });
}

describe('a chain that holds', () => {
  test('is accepted, with its path and its earliest expiry', () => {
    const result = verify(dersOf(leaf), [root]);
    expect(result.ok && result.path.map(({ subject }) => subject)).toEqual([
      'CN=contoso.example',
      'CN=Middle',
      'CN=Root',
    ]);
    expect(result.ok && result.notAfter).toEqual(result.ok && result.path[0]?.validToDate);
  });

  test('reports the expiry of an intermediate that ends before the leaf', async () => {
    const short = await createAuthority({ name: 'Short', issuer: root, notAfter: daysFromNow(1) });
    const result = verify(dersOf(await issueCertificate(short, { domains, notAfter: daysFromNow(9) })), [root]);
    expect(result.ok && result.notAfter).toEqual(result.ok && result.path[1]?.validToDate);
  });

  test('may be in any order behind the leaf, with the root and needless certificates', () => {
    expect(reasonOf(verify([derOf(leaf), derOf(pinned), derOf(root), derOf(middle)], [root]))).toBe('ok');
  });

  test('may bear an unreadable certificate that no path needs', () => {
    expect(reasonOf(verify([...dersOf(leaf), Buffer.from('junk')], [root]))).toBe('ok');
  });

  test.each([
    ['a self-signed certificate', pinned, pinned],
    [
      'the certificate of a server, its issuer unknown',
      leaf,
      { ...leaf, certificatePem: leaf.certificatePem.split(/(?<=END CERTIFICATE-----\n)/)[0] ?? '' },
    ],
    ['an intermediate', leaf, middle],
    ['self-signed and says it is an authority, as `openssl req` makes them', selfCa, selfCa],
  ])('may end at a pinned anchor that is %s', (_, presented, anchor) => {
    expect(reasonOf(verify([derOf(presented)], [anchor]))).toBe('ok');
  });

  test('is found through the cross-certificate that is valid when another expired', async () => {
    const old = await createAuthority({ name: 'Old', notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) });
    const issuing = await createAuthority({ name: 'Issuing', issuer: old, notAfter: daysFromNow(9) });
    const served = await issueCertificate(issuing, { domains });
    const crossed = await certifyAgain(issuing, 'Issuing', root);
    expect(reasonOf(verify(dersOf(served), [old, root]))).toBe('certificate-expired');
    expect(reasonOf(verify([...dersOf(served), derOf(crossed)], [old, root]))).toBe('ok');
  });

  test('is found among intermediates of one name by trying their keys', async () => {
    const one = await opensslCertificate({ commonName: 'Twin', extensions: AUTHORITY, issuer: root });
    const two = await opensslCertificate({ commonName: 'Twin', extensions: AUTHORITY, issuer: root });
    const served = await opensslCertificate({ commonName: 'x', issuer: two });
    expect(reasonOf(verify(dersOf(served, one, two), [root]))).toBe('ok');
  });

  test('is found when the anchor is a renewed certificate of the same authority', async () => {
    expect(reasonOf(verify(dersOf(leaf), [await certifyAgain(root, 'Root')]))).toBe('ok');
  });
});

describe('the purpose of a chain', () => {
  const eku = (usages: string) =>
    opensslCertificate({
      commonName: 'x',
      issuer: root,
      extensions: usages === '' ? [] : [`extendedKeyUsage=${usages}`],
    });

  test.each<[string, Record<Purpose, boolean>]>([
    ['serverAuth', { serverAuth: true, clientAuth: false, either: true, sip: true }],
    ['clientAuth', { serverAuth: false, clientAuth: true, either: true, sip: true }],
    ['serverAuth,clientAuth', { serverAuth: true, clientAuth: true, either: true, sip: true }],
    ['', { serverAuth: true, clientAuth: true, either: true, sip: true }],
    ['anyExtendedKeyUsage', { serverAuth: true, clientAuth: true, either: true, sip: true }],
    ['codeSigning', { serverAuth: false, clientAuth: false, either: false, sip: false }],
    ['1.3.6.1.5.5.7.3.20', { serverAuth: false, clientAuth: false, either: false, sip: true }],
  ])('with a leaf for "%s"', async (usages, expected) => {
    const chain = dersOf(await eku(usages));
    for (const purpose of ['serverAuth', 'clientAuth', 'either', 'sip'] as const) {
      expect(reasonOf(verify(chain, [root], purpose))).toBe(expected[purpose] ? 'ok' : 'certificate-wrong-purpose');
    }
  });

  test('is limited by the purposes of an intermediate', async () => {
    const extensions = [...AUTHORITY, 'extendedKeyUsage=serverAuth'];
    const servers = await opensslCertificate({ commonName: 'Servers', issuer: root, extensions });
    const client = await issueCertificate(servers, { domains, purposes: ['clientAuth'] });
    expect(reasonOf(verify(dersOf(client), [root]))).toBe('certificate-wrong-purpose');
    const both = await issueCertificate(servers, { domains });
    expect(reasonOf(verify(dersOf(both), [root]))).toBe('ok');
    expect(reasonOf(verify(dersOf(both), [root], 'clientAuth'))).toBe('certificate-wrong-purpose');
  });

  test('is missed by a key that is only for documents', async () => {
    const signer = await opensslCertificate({ commonName: 'x', issuer: root, extensions: ['keyUsage=nonRepudiation'] });
    expect(reasonOf(verify(dersOf(signer), [root]))).toBe('certificate-wrong-purpose');
  });
});

describe('a hostile chain', () => {
  test('of authorities that certify each other ends', async () => {
    const one = await opensslCertificate({ commonName: 'One', extensions: AUTHORITY });
    const two = await opensslCertificate({ commonName: 'Two', extensions: AUTHORITY });
    const served = await opensslCertificate({ commonName: 'x', issuer: one });
    const chain = dersOf(served, await certifyAgain(one, 'One', two), await certifyAgain(two, 'Two', one));
    expect(reasonOf(verify(chain, [root]))).toBe('certificate-untrusted');
  });

  test('of many certificates of one name and key costs a bounded number of signature checks', async () => {
    const same = await opensslCertificate({ commonName: 'Same', extensions: AUTHORITY });
    const copies = await Promise.all(Array.from({ length: 9 }, () => certifyAgain(same, 'Same')));
    const chain = dersOf(await opensslCertificate({ commonName: 'x', issuer: same }), ...copies);
    const checks = vi.spyOn(X509Certificate.prototype, 'verify');
    expect(reasonOf(verify(chain, [root]))).toBe('certificate-bad-chain');
    expect(checks).toHaveBeenCalledTimes(64);
    checks.mockRestore();
  });

  test('with any byte of the leaf or its issuer changed is refused', () => {
    const [first, second] = [derOf(leaf), derOf(middle)];
    const anchors = trustFromPem([root.certificatePem]);
    const accepted = (chain: Buffer[]): boolean => verifyChain(chain, { anchors, now, purpose: 'either' }).ok;
    expect(accepted([first, second])).toBe(true);
    for (const mask of [0x01, 0x80, 0xff]) {
      expect([...first.keys()].filter((position) => accepted([flip(first, position, mask), second]))).toEqual([]);
      expect([...second.keys()].filter((position) => accepted([first, flip(second, position, mask)]))).toEqual([]);
    }
  });

  test('of mutated certificates gives a result and never an exception', () => {
    const anchors = trustFromPem([root.certificatePem]);
    const seeds = [...dersOf(leaf), derOf(pinned)];
    const mutated = fc
      .record({
        seed: fc.constantFrom(...seeds),
        at: fc.nat(2_000),
        remove: fc.nat(8),
        insert: fc.uint8Array({ maxLength: 8 }),
      })
      .map(({ seed, at, remove, insert }) => {
        const position = at % seed.length;
        return Buffer.concat([seed.subarray(0, position), insert, seed.subarray(position + remove)]);
      });
    const certificate = fc.oneof(mutated, fc.uint8Array({ maxLength: 64 }));
    fc.assert(
      fc.property(fc.array(certificate, { maxLength: 4 }), (chain) => {
        const result = verifyChain(chain, { anchors, now, purpose: 'either' });
        const untouched = seeds.some((seed) => chain[0] !== undefined && seed.equals(chain[0]));
        expect(result.ok ? untouched : result.detail.endsWith('.')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

test('the fingerprint is SHA-256 of the DER in lower-case hex', () => {
  expect(fingerprint(Buffer.from('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
