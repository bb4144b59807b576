import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Authority,
  createAuthority,
  issueCertificate,
  type KeyPair,
  selfSignedCertificate,
} from '../../../pki/issue.ts';
import { dersOf } from '../../../pki/testing/chains.ts';
import { trustFromPem } from '../../../pki/trust.ts';
import { CertificateProof } from './certificate.ts';

const DAY = 86_400_000;

describe('Proof by certificate', () => {
  let root: Authority;
  let other: Authority;
  let intermediate: Authority;
  let leaf: KeyPair;
  let deep: KeyPair;
  const proofOf = (...anchors: Authority[]): CertificateProof =>
    new CertificateProof(trustFromPem(anchors.map(({ certificatePem }) => certificatePem)), Date.now);

  beforeAll(async () => {
    [root, other] = await Promise.all([createAuthority({ name: 'Root' }), createAuthority({ name: 'Other' })]);
    intermediate = await createAuthority({ name: 'Intermediate', issuer: root });
    [leaf, deep] = await Promise.all([
      issueCertificate(root, { domains: ['p.example'], notAfter: new Date(Date.now() + DAY) }),
      issueCertificate(intermediate, { domains: ['p.example'], purposes: ['serverAuth'] }),
    ]);
  });

  it('holds until the chain ends, and names the leaf', () => {
    const evidence = proofOf(root).evidence('p.example', dersOf(leaf));
    expect(evidence).toMatchObject({ proof: 'certificate', domain: 'p.example', holds: true, reason: 'allowed' });
    expect(evidence.detail).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(Math.abs((evidence.notAfter ?? 0) - (Date.now() + DAY))).toBeLessThan(60_000);
  });

  it.each([
    ['nothing', () => [], 'certificate-missing'],
    ['garbage', () => [Buffer.from('garbage')], 'certificate-malformed'],
    ['another name', () => dersOf(leaf), 'certificate-wrong-name'],
    [
      'another authority',
      async () => dersOf(await issueCertificate(other, { domains: ['p.example'] })),
      'certificate-untrusted',
    ],
    ['itself', async () => dersOf(await selfSignedCertificate({ domains: ['p.example'] })), 'certificate-self-signed'],
    [
      'the past',
      async () =>
        dersOf(
          await issueCertificate(root, { domains: ['p.example'], notBefore: new Date(0), notAfter: new Date(DAY) }),
        ),
      'certificate-expired',
    ],
    [
      'the future',
      async () =>
        dersOf(
          await issueCertificate(root, {
            domains: ['p.example'],
            notBefore: new Date(Date.now() + DAY),
            notAfter: new Date(Date.now() + 2 * DAY),
          }),
        ),
      'certificate-not-yet-valid',
    ],
  ] as const)('does not hold of %s', async (what, chain, reason) => {
    const evidence = proofOf(root).evidence(what === 'another name' ? 'q.example' : 'p.example', await chain());
    expect(evidence).toMatchObject({ holds: false, reason });
    expect(evidence.detail).not.toBe('');
  });

  it('remembers what stood above the leaf of a chain that held, for a resumed session shows the leaf alone', () => {
    const proof = proofOf(root);
    const [alone] = dersOf(deep) as [Buffer];
    expect(proof.evidence('p.example', [alone])).toMatchObject({ holds: false, reason: 'certificate-untrusted' });
    expect(proof.evidence('p.example', dersOf(deep)).holds).toBe(true);
    expect(proof.evidence('p.example', [alone]).holds).toBe(true);
    expect(proof.evidence('q.example', [alone])).toMatchObject({ holds: false, reason: 'certificate-wrong-name' });
  });

  it('remembers nothing of a chain that no anchor vouches for', () => {
    const proof = proofOf(other);
    const [alone] = dersOf(deep) as [Buffer];
    expect(proof.evidence('p.example', dersOf(deep)).holds).toBe(false);
    proof.replaceAnchors(trustFromPem([root.certificatePem]));
    expect(proof.evidence('p.example', [alone]).holds).toBe(false);
  });

  it('judges by the anchors and the clock of the moment', () => {
    let now = Date.now();
    const proof = new CertificateProof(trustFromPem([root.certificatePem]), () => now);
    expect(proof.evidence('p.example', dersOf(leaf)).holds).toBe(true);
    now += 2 * DAY;
    expect(proof.evidence('p.example', dersOf(leaf))).toMatchObject({ holds: false, reason: 'certificate-expired' });
    now -= 2 * DAY;
    proof.replaceAnchors(trustFromPem([other.certificatePem]));
    expect(proof.evidence('p.example', dersOf(leaf)).reason).toBe('certificate-untrusted');
  });
});
