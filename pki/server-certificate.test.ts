import { createPrivateKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { namesXmppDomain } from './identity.ts';
import { createAuthority, issueCertificate, type KeyPair } from './issue.ts';
import { loadServerCertificate } from './server-certificate.ts';
import { daysFromNow, derOf, now } from './testing/chains.ts';
import { opensslCertificate } from './testing/openssl.ts';
import { fingerprint } from './verify.ts';

const directory = await mkdtemp(join(tmpdir(), 'drawbridge-server-'));
afterAll(() => rm(directory, { recursive: true }));

const domains = ['contoso.example', '*.contoso.example'];
const root = await createAuthority({ name: 'Root' });
const middle = await createAuthority({ name: 'Middle', issuer: root, notAfter: daysFromNow(20) });
const good = await issueCertificate(middle, { domains, notAfter: daysFromNow(30) });

async function load({ certificatePem, keyPem }: KeyPair) {
  const [certFile, keyFile] = [join(directory, 'server.pem'), join(directory, 'server.key')];
  await writeFile(certFile, certificatePem);
  await writeFile(keyFile, keyPem);
  return loadServerCertificate(certFile, keyFile, now);
}

test('a certificate is loaded with its chain, names, fingerprint and the earliest expiry in the file', async () => {
  const loaded = await load(good);
  expect(namesXmppDomain(loaded.identities, 'im.contoso.example')).toBe(true);
  expect(loaded.notAfter.getTime()).toBe(Math.floor(daysFromNow(20).getTime() / 1000) * 1000);
  expect(loaded.fingerprint).toBe(fingerprint(derOf(good)));
  expect(createSecureContext({ cert: loaded.certPem, key: loaded.keyPem })).toBeDefined();
});

test('an EC key as OpenSSL writes it, parameters first, is taken', async () => {
  const sec1 = createPrivateKey(good.keyPem).export({ type: 'sec1', format: 'pem' }).toString();
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  const loaded = await load({ ...good, keyPem: parameters + sec1 });
  expect(createSecureContext({ cert: loaded.certPem, key: loaded.keyPem })).toBeDefined();
});

describe('a certificate is unusable, with place and remedy, where', () => {
  const other = () => issueCertificate(root, { domains });
  const lines = (pem: string): number => pem.split('\n').length;
  const encrypted = createPrivateKey(good.keyPem);
  const [leafPem = '', middlePem = ''] = good.certificatePem.split(/(?<=END CERTIFICATE-----\n)/);

  test.each<[string, () => KeyPair | Promise<KeyPair>, string, number]>([
    ['the certificate file is empty', () => ({ ...good, certificatePem: '' }), 'server.pem', 1],
    ['the certificate file holds a key', () => ({ ...good, certificatePem: good.keyPem }), 'server.pem', 1],
    [
      'an intermediate is broken',
      () => ({ ...good, certificatePem: `${leafPem}${middlePem.replace(/MI./, 'AAA')}` }),
      'server.pem',
      lines(leafPem),
    ],
    ['the order is wrong', () => ({ ...good, certificatePem: middlePem + leafPem }), 'server.pem', lines(middlePem)],
    ['the key is of another certificate', async () => ({ ...good, keyPem: (await other()).keyPem }), 'server.key', 1],
    ['the key file is empty', () => ({ ...good, keyPem: '' }), 'server.key', 1],
    ['the key file holds a certificate', () => ({ ...good, keyPem: good.certificatePem }), 'server.key', 1],
    [
      'the key is encrypted (PKCS #8)',
      () => ({
        ...good,
        keyPem: encrypted.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
      }),
      'server.key',
      1,
    ],
    [
      'the key is encrypted (traditional)',
      () => ({
        ...good,
        keyPem: encrypted.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
      }),
      'server.key',
      1,
    ],
    [
      'it expired',
      () => issueCertificate(root, { domains, notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) }),
      'server.pem',
      1,
    ],
    [
      'it is not valid yet',
      () => issueCertificate(root, { domains, notBefore: daysFromNow(1), notAfter: daysFromNow(9) }),
      'server.pem',
      1,
    ],
    [
      'its key is weak',
      () => opensslCertificate({ commonName: 'x', newKey: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'] }),
      'server.pem',
      1,
    ],
  ])('%s', async (_, pair, file, line) => {
    await expect(load(await pair())).rejects.toMatchObject({
      code: 'certificate-unusable',
      message: expect.not.stringContaining('PRIVATE KEY'),
      place: { file: join(directory, file), line, column: 1 },
      remedy: expect.stringMatching(/\S/),
    });
  });

  test('a file is missing, which is told by its name, without a place of its own', async () => {
    const certFile = join(directory, 'none.pem');
    await expect(loadServerCertificate(certFile, join(directory, 'none.key'))).rejects.toMatchObject({
      code: 'certificate-unusable',
      message: expect.stringContaining(`${certFile} cannot be read: ENOENT`),
      place: undefined,
    });
  });
});
