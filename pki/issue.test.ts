import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { Certificate } from './certificate.ts';
import { createAuthority, issueCertificate, type KeyPair, type KeyType, selfSignedCertificate } from './issue.ts';
import { generalName, keyUsage, oids } from './oids.ts';
import { daysFromNow, derOf, dersOf, reasonOf, verify } from './testing/chains.ts';
import { opensslCertificate, opensslVerify } from './testing/openssl.ts';

const domains = ['contoso.example', '*.contoso.example'];
const names = {
  domains,
  srvNames: ['_xmpp-server.contoso.example'],
  xmppAddresses: ['contoso.example'],
  uris: ['sip:contoso.example'],
};
const root = await createAuthority({ name: 'Root' });

describe.each<KeyType>(['ec', 'rsa'])('certificates over %s', (keyType) => {
  test('are accepted by OpenSSL under its strict rules', async () => {
    const authority = await createAuthority({ name: 'Top', keyType });
    const middle = await createAuthority({
      name: 'Middle',
      keyType,
      issuer: authority,
      pathLength: 0,
      permittedDomains: domains.slice(0, 1),
    });
    const direct = await issueCertificate(authority, { ...names, keyType });
    const below = await issueCertificate(middle, { domains, keyType, commonName: '' });
    const self = await selfSignedCertificate({ ...names, keyType });
    await expect(opensslVerify(authority.certificatePem, '', direct.certificatePem)).resolves.toContain('OK');
    await expect(
      opensslVerify(authority.certificatePem, middle.certificatePem, below.certificatePem),
    ).resolves.toContain('OK');
    await expect(opensslVerify(self.certificatePem, '', self.certificatePem)).resolves.toContain('OK');
  });
});

describe('two servers prove themselves to each other over TLS', () => {
  test.each([
    ['TLSv1.3', 'ec'],
    ['TLSv1.2', 'ec'],
    ['TLSv1.3', 'rsa'],
  ] as const)('%s with %s keys, and what each saw verifies', async (version, keyType) => {
    const middle = await createAuthority({ name: 'Middle', issuer: root, keyType });
    const contoso = await issueCertificate(middle, { domains, keyType });
    const fabrikam = await issueCertificate(middle, { domains: ['fabrikam.example'], keyType });
    const [served, dialled] = await handshake(contoso, fabrikam, version);
    expect(served).toMatchObject({ authorized: true });
    expect(dialled).toMatchObject({ authorized: true });
    for (const { presented, pair } of [
      { presented: served, pair: fabrikam },
      { presented: dialled, pair: contoso },
    ]) {
      expect(presented.certificate.equals(derOf(pair))).toBe(true);
      expect(reasonOf(verify([presented.certificate, derOf(middle)], [root]))).toBe('ok');
    }
  });
});

describe('a certificate', () => {
  test('says what it is for', async () => {
    const certificate = new Certificate(derOf(await issueCertificate(root, { domains })));
    expect(certificate.authority).toBe(false);
    expect([...(certificate.keyUsage ?? [])]).toEqual([keyUsage.digitalSignature]);
    expect([...(certificate.purposes ?? [])]).toEqual([oids.serverAuth, oids.clientAuth]);
    expect(certificate.authorityKeyId).toBe(new Certificate(derOf(root)).subjectKeyId);
    const server = new Certificate(derOf(await issueCertificate(root, { domains, purposes: ['serverAuth'] })));
    expect([...(server.purposes ?? [])]).toEqual([oids.serverAuth]);
  });

  test('has its own serial number of 128 random bits', async () => {
    const serials = (await Promise.all(Array.from({ length: 8 }, () => issueCertificate(root, { domains })))).map(
      (pair) => new X509Certificate(pair.certificatePem).serialNumber,
    );
    expect(new Set(serials).size).toBe(8);
    for (const serial of serials) expect(serial).toMatch(/^01[0-9A-F]{32}$/);
  });

  test('without a subject makes its names critical', async () => {
    const [bare, named] = [
      await issueCertificate(root, { domains, commonName: '' }),
      await issueCertificate(root, { domains }),
    ];
    const critical = Buffer.from('0603551d110101ff', 'hex');
    expect([derOf(bare).includes(critical), derOf(named).includes(critical)]).toEqual([true, false]);
    expect(new X509Certificate(bare.certificatePem).subject ?? '').toBe('');
  });

  test('brings the intermediates above it, without the root', async () => {
    const upper = await createAuthority({ name: 'Upper', issuer: root });
    const lower = await createAuthority({ name: 'Lower', issuer: upper });
    const subjects = dersOf(await issueCertificate(lower, { domains })).map((der) => new X509Certificate(der).subject);
    expect(subjects).toEqual(['CN=contoso.example', 'CN=Lower', 'CN=Upper']);
  });

  test('lives as long as asked, and by default no longer than its authority', async () => {
    const asked = new Certificate(
      derOf(
        await issueCertificate(root, { domains, notBefore: new Date('2026-01-01'), notAfter: new Date('2051-01-01') }),
      ),
    );
    expect([asked.notBefore, asked.notAfter]).toEqual([new Date('2026-01-01'), new Date('2051-01-01')]);
    const short = await createAuthority({ name: 'Short', notAfter: daysFromNow(3) });
    const certificate = new Certificate(derOf(await issueCertificate(short, { domains })));
    expect(certificate.notAfter).toEqual(new Certificate(derOf(short)).notAfter);
  });

  test('names its domains as A-labels', async () => {
    const { altNames } = new Certificate(derOf(await issueCertificate(root, { domains: ['Bücher.Example'] })));
    expect(altNames.map(({ tag, content }) => [tag & 0x1f, content.toString()])).toEqual([
      [generalName.dns, 'xn--bcher-kva.example'],
    ]);
  });

  test('can be issued by an authority made elsewhere, with key identifiers or without', async () => {
    for (const extra of [[], ['subjectKeyIdentifier=none']]) {
      const elsewhere = await opensslCertificate({
        commonName: 'Elsewhere',
        extensions: ['basicConstraints=critical,CA:TRUE', ...extra],
      });
      expect(reasonOf(verify(dersOf(await issueCertificate(elsewhere, { domains })), [elsewhere]))).toBe('ok');
    }
  });
});

describe('issuing is refused as wrong use', () => {
  const plain = { domains: ['contoso.example'] };
  test.each<[string, () => Promise<KeyPair>]>([
    ['for a partial wildcard', () => issueCertificate(root, { domains: ['f*.contoso.example'] })],
    ['for an IP address', () => issueCertificate(root, { domains: ['192.0.2.1'] })],
    ['for an IPv6 address', () => issueCertificate(root, { domains: ['[2001:db8::1]'] })],
    ['for what is no domain', () => issueCertificate(root, { domains: ['a b'] })],
    ['for an SRV name without service', () => issueCertificate(root, { domains: [], srvNames: ['contoso.example'] })],
    ['for a URI with spaces', () => issueCertificate(root, { domains: [], uris: ['sip: x'] })],
    [
      'under a certificate that is no authority',
      async () => issueCertificate(await selfSignedCertificate(plain), plain),
    ],
    [
      'under the key of another',
      async () => issueCertificate({ ...root, keyPem: (await selfSignedCertificate(plain)).keyPem }, plain),
    ],
    ['under an authority that cannot be read', () => issueCertificate({ ...root, keyPem: '' }, plain)],
    ['under no authority', () => issueCertificate({ certificatePem: '', keyPem: '' }, plain)],
  ])('%s', async (_, issue) => {
    await expect(issue()).rejects.toMatchObject({ code: 'wrong-use' });
  });
});

interface Seen {
  readonly authorized: boolean;
  /** DER of the peer's leaf. */
  readonly certificate: Buffer;
}

/** What the server saw of the client, and the client of the server. */
async function handshake(server: KeyPair, client: KeyPair, version: 'TLSv1.2' | 'TLSv1.3'): Promise<[Seen, Seen]> {
  const ca = root.certificatePem;
  const versions = { minVersion: version, maxVersion: version } as const;
  const listener = createServer({
    cert: server.certificatePem,
    key: server.keyPem,
    ca,
    requestCert: true,
    ...versions,
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
  const dialled = connect({
    ...{ host: '127.0.0.1', port, servername: 'contoso.example', ca, ...versions },
    ...{ cert: client.certificatePem, key: client.keyPem },
  });
  const [[served]] = await Promise.all([accepted, once(dialled, 'secureConnect')]);
  const seen = [served, dialled].map((socket) => ({
    authorized: socket.authorized,
    certificate: Buffer.from(socket.getPeerCertificate().raw),
  }));
  dialled.destroy();
  served.destroy();
  listener.close();
  await once(listener, 'close');
  const [first, second] = seen;
  if (first === undefined || second === undefined) throw new Error('no handshake');
  return [first, second];
}
