import { beforeAll, describe, expect, it } from 'vitest';
import { type CertificateOptions, selfSignedCertificate } from '../../pki/issue.ts';
import type { ServerCertificate } from '../../pki/server-certificate.ts';
import { OwnCertificates } from './own-certificates.ts';
import { presentable } from './testing/edge.fixture.ts';

const make = async (options: CertificateOptions): Promise<ServerCertificate> =>
  presentable(await selfSignedCertificate(options));

describe('Our own certificates', () => {
  let first: ServerCertificate;
  let wildcard: ServerCertificate;
  let exact: ServerCertificate;
  let service: ServerCertificate;

  beforeAll(async () => {
    [first, wildcard, exact, service] = await Promise.all([
      make({ domains: ['first.example'] }),
      make({ domains: ['*.contoso.example'] }),
      make({ domains: ['chat.contoso.example'] }),
      make({ domains: [], srvNames: ['_xmpp-server.srv.example'], commonName: 'srv.example' }),
    ]);
  });
  const own = () => new OwnCertificates([first, wildcard, exact, service], { minVersion: 'TLSv1.2' });

  it.each([
    ['first.example', 'first', true],
    ['chat.contoso.example', 'exact', true],
    ['Chat.Contoso.Example', 'exact', true],
    ['other.contoso.example', 'wildcard', true],
    ['contoso.example', 'first', false],
    ['deep.chat.contoso.example', 'first', false],
    ['srv.example', 'service', true],
    ['unknown.example', 'first', false],
    ['', 'first', false],
    ['not a domain', 'first', false],
  ] as const)('for %j are %s, naming it: %s', (domain, which, covers) => {
    const certificates = own();
    const expected = { first, wildcard, exact, service }[which].fingerprint;
    expect(certificates.fingerprintFor(domain)).toBe(expected);
    expect(certificates.covers(domain)).toBe(covers);
    expect(certificates.contextFor(domain)).toBe(certificates.contextFor(domain));
    expect(certificates.contextFor(domain)).toBeDefined();
  });

  it('are chosen anew once they are replaced', () => {
    const certificates = new OwnCertificates([first, wildcard], { minVersion: 'TLSv1.2' });
    const before = certificates.contextFor('chat.contoso.example');
    expect(certificates.fingerprintFor('chat.contoso.example')).toBe(wildcard.fingerprint);
    certificates.replace([exact]);
    expect(certificates.fingerprintFor('chat.contoso.example')).toBe(exact.fingerprint);
    expect(certificates.contextFor('chat.contoso.example')).not.toBe(before);
    expect(certificates.covers('first.example')).toBe(false);
  });

  it('may be none', () => {
    const certificates = new OwnCertificates([], { minVersion: 'TLSv1.3' });
    expect(certificates.contextFor('first.example')).toBeUndefined();
    expect(certificates.fingerprintFor('first.example')).toBe('');
    expect(certificates.covers('first.example')).toBe(false);
  });

  it('stay right whatever number of names peers ask for', () => {
    const certificates = own();
    for (let n = 0; n < 2500; n++) expect(certificates.covers(`n${n}.contoso.example`)).toBe(true);
    expect(certificates.fingerprintFor('chat.contoso.example')).toBe(exact.fingerprint);
  });
});
