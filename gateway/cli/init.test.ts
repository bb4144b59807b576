import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificateBlocks } from '../../pki/pem.ts';
import { loadServerCertificate } from '../../pki/server-certificate.ts';
import { loadTrust } from '../../pki/trust.ts';
import { verifyChain } from '../../pki/verify.ts';
import { requireConfig } from '../config/config.ts';
import { called, spawned } from './cli.fixture.ts';

const files = [
  'gateway.yaml',
  'policies/defaults.yaml',
  'policies/partner.example.yaml.sample',
  'state/home-secret',
  'pki/ca.pem',
  'pki/ca.key',
  'pki/tailspin.example.pem',
  'pki/tailspin.example.key',
];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-init-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function contents(): Promise<Map<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path, 'utf8')] as const)));
}

async function mode(name: string): Promise<string> {
  return ((await stat(join(dir, name))).mode & 0o777).toString(8);
}

describe('init', () => {
  it('writes a gateway that is sound, and keeps secrets to its user', async () => {
    const { code, out } = await called('init', dir, '--domain', 'Tailspin.example', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      dir,
      domain: 'tailspin.example',
      written: files.map((file) => join(dir, file)),
      kept: [],
    });
    for (const folder of ['state', 'pki']) expect(await mode(folder)).toBe('700');
    for (const file of ['state/home-secret', 'pki/ca.key', 'pki/tailspin.example.key']) {
      expect(await mode(file)).toBe('600');
    }
    const { config } = await requireConfig(join(dir, 'gateway.yaml'));
    expect(config.home.domains).toEqual(['tailspin.example', 'conference.tailspin.example']);
    const secret = config.home.xmpp.link === 'component' ? await config.home.xmpp.secret.reveal() : undefined;
    expect(secret).toMatch(/^[\w-]{43}$/);
    const [own] = await Promise.all(config.tls.certificates.map(({ cert, key }) => loadServerCertificate(cert, key)));
    expect(own?.identities.dnsNames).toEqual(['tailspin.example', 'conference.tailspin.example']);
    const chain = certificateBlocks(own?.certPem ?? '').map(({ der }) => der);
    const anchors = await loadTrust([join(dir, 'pki/ca.pem')]);
    expect(verifyChain(chain, { anchors, now: new Date(), purpose: 'either' })).toMatchObject({ ok: true });
  });

  it('never overwrites, and says what it kept', async () => {
    await called('init', dir, '--domain', 'tailspin.example');
    await writeFile(join(dir, 'gateway.yaml'), '# mine');
    await rm(join(dir, 'policies/defaults.yaml'));
    const before = await contents();
    const { code, out } = await called('init', dir, '--domain', 'tailspin.example');
    expect(code).toBe(0);
    const after = await contents();
    for (const [path, text] of before) expect(after.get(path)).toBe(text);
    for (const file of files) {
      expect(out).toContain(`${file === 'policies/defaults.yaml' ? 'wrote' : 'kept '}  ${join(dir, file)}`);
    }
    expect(out).not.toContain(before.get(join(dir, 'state/home-secret'))?.trim());
  });

  it('adds nothing to half a pair, and cannot issue without the whole authority', async () => {
    await called('init', dir, '--domain', 'tailspin.example');
    await Promise.all(['pki/ca.key', 'pki/tailspin.example.pem'].map((file) => rm(join(dir, file))));
    const { out } = await called('init', dir, '--domain', 'tailspin.example');
    expect(out).toContain('tailspin.example.pem  (not written: its other half was there already)');
    await rm(join(dir, 'pki/tailspin.example.key'));
    const { code, err } = await called('init', dir, '--domain', 'tailspin.example');
    expect(code).toBe(1);
    expect(err).toMatch(/^error certificate-unusable: .*ca\.key cannot be read/);
  });

  it('tells what comes next, in words that can be copied', async () => {
    const { out, err, code } = await spawned(['init'], dir);
    expect([code, err]).toEqual([0, '']);
    const secret = (await readFile(join(dir, 'state/home-secret'), 'utf8')).trim();
    expect(out).not.toContain(secret);
    expect(out).toContain('component_secret = "…"             -- the text of state/home-secret');
    for (const domain of ['', 'conference.']) expect(out).toContain(`Component "${domain}fabrikam.example"`);
    expect(out).toContain(`\n     node ${join(import.meta.dirname, '../drawbridge.js')} run`);
    expect(out).toContain('cp policies/partner.example.yaml.sample policies/fabrikam.example.yaml');
    expect(out).toContain('_xmpp-server._tcp.contoso.example.');
  });

  it.each([
    ['bin', 'drawbridge'],
    ['node_modules/.bin', 'npx drawbridge'],
  ])('writes commands as it was called itself: from %s, %s', async (folder, command) => {
    const bin = join(dir, folder, 'drawbridge');
    await mkdir(join(dir, folder), { recursive: true });
    await symlink(join(import.meta.dirname, '../drawbridge.js'), bin);
    expect((await spawned(['init'], dir, bin)).out).toContain(`\n     ${command} check\n`);
  });

  it.each([
    ['the folder is below a file', 'taken', 'taken/gateway'],
    ['one of its folders is a file', 'state', '.'],
  ])('says what it cannot write where %s', async (_what, file, folder) => {
    await writeFile(join(dir, file), '');
    const { code, out, err } = await called('init', join(dir, folder));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error wrong-use: \S+ cannot be written: E.*\n {2}→ Give another folder, .*\n$/);
  });

  it('names no partner, and its sample makes a sound one', async () => {
    await called('init', dir);
    const lint = async () => JSON.parse((await called('policy', 'lint', join(dir, 'policies'), '--json')).out);
    expect(await lint()).toMatchObject({ errors: 0, findings: [{ message: expect.stringContaining('no partner') }] });
    const sample = await readFile(join(dir, 'policies/partner.example.yaml.sample'), 'utf8');
    await writeFile(
      join(dir, 'policies/fabrikam.example.yaml'),
      sample.replaceAll(/^( *)# (?=trust|groups|limits|- )/gm, '$1'),
    );
    expect(await lint()).toEqual({
      findings: [
        { severity: 'ok', area: 'policies', message: 'partners: fabrikam.example', place: null, remedy: null },
      ],
      errors: 0,
      warnings: 0,
    });
  });
});
