import { expect, it } from 'vitest';
import { trustFromPem } from '../../pki/trust.ts';
import type { Evidence } from '../bridge/ports.ts';
import { CertificateProof } from './evidence/certificate.ts';
import { ProvenDomains } from './proven-domains.ts';

const evidence = (domain: string, notAfter?: number): Evidence => ({
  proof: 'certificate',
  domain,
  holds: true,
  reason: 'allowed',
  detail: 'sha256:00',
  notAfter,
});

function domains(): ProvenDomains {
  return new ProvenDomains(new CertificateProof(trustFromPem([]), () => 0));
}

it('holds until the first of its proofs ends, and without end where none does', () => {
  const proven = domains();
  expect(proven.until).toBe(Number.POSITIVE_INFINITY);
  proven.add('a.example', [evidence('a.example', 3_000), evidence('a.example')]);
  proven.add('b.example', [evidence('b.example', 2_000)]);
  expect(proven.until).toBe(2_000);
  expect([...proven].map(([domain]) => domain)).toEqual(['a.example', 'b.example']);
});

it('tells the journal what proved a domain and how the stream is secured', () => {
  const proven = domains();
  const facts = [{ proof: 'certificate', holds: true, reason: 'allowed', detail: 'sha256:00' }];
  expect(proven.facts([evidence('a.example', 3_000)])).toEqual({ evidence: facts, tls: undefined, cipher: undefined });
  proven.tls = { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', chain: [], resumed: false, alpn: '' };
  expect(proven.facts([])).toEqual({ evidence: [], tls: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' });
});

it('knows no certificate of a stream in clear', () => {
  expect(domains().certificateFor('a.example')).toMatchObject({ holds: false, reason: 'certificate-missing' });
});
