import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../../pki/issue.ts';
import { writeKeyPair } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { Federation, partnerDomain } from '../federation.ts';
import { SipFederation } from '../sip-federation.ts';

interface Found {
  readonly severity: string;
  readonly area: string;
  readonly message: string;
}

/** `drawbridge partner test` and `partner add` against servers that no one here wrote, beside a running gateway. */
describe.runIf(requirePeers('prosody', 'ejabberd')).each([
  { partner: 'prosody', proof: 'certificate', partnerModules: ['smacks'] },
  { partner: 'ejabberd', proof: 'certificate', partnerModules: [] },
  { partner: 'prosody', proof: 'dialback', partnerModules: [] },
  { partner: 'ejabberd', proof: 'dialback', partnerModules: [] },
] as const)('the partner $partner, proven by $proof', ({ partner, proof, partnerModules }) => {
  let federation: Federation;
  beforeAll(async () => {
    // Only with a secret of its own can a command show a dialback key that the gateway owns.
    const edge = 'dialback: { secret: known-to-every-node }';
    federation = await Federation.start({ partner, home: 'prosody', proof, tls: 'starttls', partnerModules, edge });
  });
  afterAll(() => federation?.close());

  const command = async (...args: readonly string[]) => {
    const { gateway } = federation;
    return JSON.parse(await gateway.command(['partner', ...args, partnerDomain, '-c', gateway.configFile, '--json']));
  };

  it('is tested as traffic would reach it, and the gateway goes on undisturbed', async () => {
    const { findings } = await command('test');
    const lines = (findings as Found[]).map(({ severity, area, message }) => `${severity} ${area}: ${message}`);
    expect(lines.filter((line) => !line.startsWith('ok ') && !line.includes('refused our certificate'))).toEqual([]);
    const ours = proof === 'certificate' ? 'certificate \\(SASL EXTERNAL\\)' : 'dialback key \\(XEP-0220\\)';
    const acknowledged = partnerModules.length > 0 ? 'took a ping of h\\.example' : 'answered';
    for (const line of [`proof: .* takes our ${ours}$`, `ping: .* ${acknowledged} in [0-9.]+ ms \\(`, 'stream: ']) {
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^ok ${line}`)));
    }
    // What the partner answers to the ping goes to the gateway, ahead of this.
    const [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    await alice.becomeAvailable();
    await bob.say(alice.bareJid, 'behind the answer');
    expect((await alice.messages.next()).getChildText('body')).toBe('behind the answer');
    expect(federation.gateway.log.matching(/"event":"(stanza|stream|dialback)-refused"/)).toEqual([]);
  });

  it('is taken up anew with what proves it', async () => {
    await rm(join(dirname(federation.gateway.configFile), 'policies', `${partnerDomain}.yaml`));
    expect(await command('add')).toMatchObject({ accept: [proof], written: true, errors: 0 });
    await federation.gateway.logged({ event: 'reloaded', what: 'policies', partners: 1 });
  });
});

/** The same against a SIP proxy. */
describe.runIf(requirePeers('kamailio'))('the partner kamailio, over a trunk', () => {
  let federation: SipFederation;
  beforeAll(async () => {
    federation = await SipFederation.start({ home: 'embedded' });
  });
  afterAll(() => federation?.close());

  const command = async (what: 'test' | 'add', configFile = federation.gateway.configFile) =>
    JSON.parse(await federation.gateway.command(['partner', what, partnerDomain, '-c', configFile, '--json']));

  it('is tested as traffic would reach it, and the gateway goes on undisturbed', async () => {
    const { partner, gateway } = federation;
    const [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    await alice.becomeAvailable();
    const mark = partner.log.mark();
    const { findings, via } = await command('test');
    expect(via).toBe('sip');
    const lines = (findings as Found[]).map(({ severity, area, message }) => `${severity} ${area}: ${message}`);
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    const server = `${partner.address}:${partner.ports.trunk}`;
    for (const line of [
      `dns: _sips._tcp.${partnerDomain} leads to ${server} `,
      `proof: ${server} is proven by its certificate `,
      `ping: ${server} answered to OPTIONS with 200 `,
      `sip: ${partnerDomain} can be reached by h.example`,
    ]) {
      expect(lines).toContainEqual(expect.stringContaining(`ok ${line}`));
    }
    await partner.requested('OPTIONS', `sip:${partnerDomain}`, mark);
    // Kamailio's messages keep coming to the gateway: it took the connection of the test for none that leads there.
    expect((await bob.message('sip:alice@h.example', 'behind the test')).statusCode).toBe(200);
    expect((await alice.messages.next()).getChildText('body')).toBe('behind the test');
    expect(gateway.log.matching(/"event":"(sip-refused|trunk-down|connection-refused)"/)).toEqual([]);
  });

  it('is taken up anew as a SIP partner', async () => {
    await rm(join(dirname(federation.gateway.configFile), 'policies', `${partnerDomain}.yaml`));
    expect(await command('add')).toMatchObject({ via: 'sip', accept: ['certificate'], written: true, errors: 0 });
    await federation.gateway.logged({ event: 'reloaded', what: 'policies', partners: 1 });
    expect(await command('test')).toMatchObject({ via: 'sip', errors: 0, warnings: 0 });
  });

  /** Why the test of the partner fails. */
  const failure = async (configFile?: string): Promise<unknown> => {
    const failed = await command('test', configFile).catch(
      (error: { readonly code: number; readonly stdout: string }) => error,
    );
    expect(failed.code).toBe(1);
    return JSON.parse(failed.stdout).findings.at(-1);
  };

  it('is not believed with the certificate of another, and the test says so', async () => {
    const { partner, sip } = federation;
    await partner.rotateCertificate(await sip.sipCertificate('other.example'));
    expect(await failure()).toMatchObject({
      severity: 'error',
      reason: 'certificate-wrong-name',
      message: expect.stringContaining('The certificate names other.example.'),
      remedy: expect.stringContaining('ask the partner for a certificate'),
    });
    await partner.rotateCertificate(await sip.sipCertificate(partnerDomain));
    expect(await command('test')).toMatchObject({ errors: 0 });
  });

  it('does not take a certificate of ours that it cannot verify, and the test says so', async () => {
    const { configFile } = federation.gateway;
    const folder = dirname(configFile);
    await writeKeyPair(join(folder, 'pki'), 'unknown', await selfSignedCertificate({ domains: ['h.example'] }));
    const unknown = join(folder, 'unknown.yaml');
    await writeFile(unknown, (await readFile(configFile, 'utf8')).replaceAll('pki/gateway.', 'pki/unknown.'));
    expect(await failure(unknown)).toMatchObject({
      severity: 'error',
      message: expect.stringContaining(`${federation.partner.address}:${federation.partner.ports.trunk}: `),
      remedy: expect.stringContaining('hand it over'),
    });
  });

  it('is told to be away while it is', async () => {
    const { partner } = federation;
    await partner.stop();
    expect(await failure()).toMatchObject({ severity: 'error', reason: 'remote-unreachable' });
    await partner.start();
    expect(await command('test')).toMatchObject({ errors: 0 });
  });
});
