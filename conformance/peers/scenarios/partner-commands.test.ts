import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { Federation, partnerDomain } from '../federation.ts';

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
