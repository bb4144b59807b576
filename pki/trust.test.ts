import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createAuthority, issueCertificate } from './issue.ts';
import { dersOf, now } from './testing/chains.ts';
import { loadTrust, trustFromPem } from './trust.ts';
import { verifyChain } from './verify.ts';

const directory = await mkdtemp(join(tmpdir(), 'drawbridge-trust-'));
afterAll(() => rm(directory, { recursive: true }));

const one = await createAuthority({ name: 'One' });
const two = await createAuthority({ name: 'Two' });

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

test('anchors come from files of several certificates, each counted once', async () => {
  const both = await file('both.pem', `# partners\n${one.certificatePem}${two.certificatePem}`);
  const again = await file('again.pem', one.certificatePem);
  const anchors = await loadTrust([both, again]);
  expect(anchors.fingerprints.size).toBe(2);
  for (const authority of [one, two]) {
    const chain = dersOf(await issueCertificate(authority, { domains: ['contoso.example'] }));
    expect(verifyChain(chain, { anchors, now, purpose: 'either' }).ok).toBe(true);
  }
});

test('the store of the system holds authorities', async () => {
  const anchors = await loadTrust(['system']);
  expect(anchors.fingerprints.size).toBeGreaterThan(50);
  const strange = dersOf(await issueCertificate(one, { domains: ['contoso.example'] }));
  expect(verifyChain(strange, { anchors, now, purpose: 'either' })).toMatchObject({ reason: 'certificate-untrusted' });
});

test('nothing listed trusts nothing', async () => {
  expect((await loadTrust([])).fingerprints.size).toBe(0);
});

test('a file that is missing is told by its name, and has no place of its own', async () => {
  const path = join(directory, 'missing.pem');
  await expect(loadTrust([path])).rejects.toMatchObject({
    code: 'trust-unusable',
    message: expect.stringContaining(`${path} cannot be read: ENOENT`),
    place: undefined,
  });
});

test.each([
  ['holds no certificate', 'hello\n', 1],
  [
    'holds a broken certificate behind a good one',
    `${one.certificatePem}-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n`,
    one.certificatePem.split('\n').length,
  ],
])('a file that %s is told with its place and a remedy', async (_, content, line) => {
  const path = await file('bad.pem', content);
  await expect(loadTrust([path])).rejects.toMatchObject({
    code: 'trust-unusable',
    place: { file: path, line, column: 1 },
    remedy: expect.stringMatching(/\.$/),
  });
});

test('anchors from text are the same, or malformed', () => {
  expect(trustFromPem([one.certificatePem + two.certificatePem, one.certificatePem]).fingerprints.size).toBe(2);
  const broken = one.certificatePem.replace(/MII?./, 'AAAA');
  expect(() => trustFromPem([broken])).toThrow(expect.objectContaining({ code: 'certificate-malformed' }));
});
