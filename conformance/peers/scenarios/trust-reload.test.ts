import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import { Federation, homeDomain, openPolicy, partnerDomain } from '../federation.ts';
import type { LogLine } from '../gateway.ts';

const file = `${partnerDomain}.yaml`;
const open = openPolicy('certificate');
const completed = /s2s connection .*(p\.example->h\.example|h\.example->p\.example) complete/;

describe.runIf(requirePeers('prosody'))('A policy that changes under standing streams', () => {
  let federation: Federation;
  let alice: TestClient;
  let bob: TestClient;

  beforeAll(async () => {
    federation = await Federation.start({ partner: 'prosody', home: 'prosody', proof: 'certificate', tls: 'starttls' });
  });
  afterAll(() => federation?.close());
  beforeEach(async () => {
    [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    await exchange('before');
  });
  afterEach(() => Promise.all([alice?.close(), bob?.close()]));

  /** A message each way. */
  async function exchange(body: string): Promise<void> {
    await bob.say(alice.bareJid, body);
    expect((await alice.messages.next()).getChildText('body')).toBe(body);
    await alice.say(bob.bareJid, body);
    expect((await bob.messages.next()).getChildText('body')).toBe(body);
  }

  /** The gateway and the partner closed nothing and opened nothing since then. */
  function expectSameStreams(gatewayMark: number, partnerMark: number): void {
    const { gateway, partner } = federation;
    for (const event of ['stream-closed', 'stream-refused', 'stream-proven'] as const) {
      expect(gateway.lines({ event }, gatewayMark)).toEqual([]);
    }
    expect(partner.log.matching(completed, partnerMark)).toEqual([]);
  }

  async function removePolicy(): Promise<void> {
    const { gateway } = federation;
    const after = gateway.log.mark();
    await rm(join(dirname(gateway.configFile), 'policies', file));
    await gateway.logged({ event: 'reloaded', what: 'policies' }, after);
  }

  it('drops no stream over an edit that leaves its trust alone', async () => {
    const { gateway, partner } = federation;
    const marks = [gateway.log.mark(), partner.log.mark()] as const;
    const edits = [
      [file, `# edited\n${open}limits: { messages: { rate: 1000/s } }\n`],
      [file, open.replace('[certificate]', '[dane, certificate]')],
      ['q.example.yaml', 'partner: q.example\ntrust: { accept: [certificate] }\n'],
      ['defaults.yaml', 'groups: { executives: [ceo@h.example] }\n'],
      [file, open],
    ] as const;
    for (const [name, text] of edits) {
      expect((await gateway.writePolicy(name, text)).event).toBe('reloaded');
      await exchange(`after ${name}`);
    }
    expectSameStreams(...marks);
  });

  it.each([
    ['an unknown key', open.replace('allow: both', 'alow: both'), /p\.example\.yaml:5:13: error: .*`alow`.*`allow`/],
    [
      'a level that does not exist',
      open.replace('show: full', 'show: everything'),
      /p\.example\.yaml:4:32: error: `everything` /,
    ],
    ['YAML that is none', open.replace('[certificate]', '[certificate'), /p\.example\.yaml:\d+:\d+: error: /],
    ['nothing in it', '', /p\.example\.yaml:1:1: error: /],
  ])('stays in force where the new file has %s', async (_what, text, finding) => {
    const { gateway, partner } = federation;
    const marks = [gateway.log.mark(), partner.log.mark()] as const;
    const line: LogLine & { findings?: string[] } = await gateway.writePolicy(file, text);
    expect(line).toMatchObject({ event: 'reload-failed', reason: 'policy-invalid', level: 50 });
    expect(line.findings).toContainEqual(expect.stringMatching(finding));
    await exchange('under the old policy');
    expectSameStreams(...marks);
    expect((await gateway.writePolicy(file, open)).event).toBe('reloaded');
  });

  it.each([
    [
      'demands more proof',
      'trust-insufficient',
      'not-authorized',
      () => federation.gateway.writePolicy(file, open.replace('[certificate]', '{ all: [certificate, dane] }')),
    ],
    ['is removed with its partner', 'no-partner', 'not-authorized', removePolicy],
  ] as const)('ends the streams where it %s, and refuses the next', async (_what, reason, condition, change) => {
    const { gateway, partner } = federation;
    const [before, seen] = [gateway.log.mark(), partner.log.mark()];
    await change();
    const ended = await gateway.logged({ event: 'stream-refused', direction: 'inbound', condition: 'reset' }, before);
    expect(ended).toMatchObject({ reason, partner: partnerDomain, home: homeDomain });
    await gateway.logged({ event: 'stream-closed', direction: 'outbound', reason, partner: partnerDomain }, before);
    await partner.log.waitFor(/Session closed by remote with error: reset/, { after: seen });
    await partner.log.waitFor(/Incoming s2s stream h\.example->p\.example closed/, { after: seen });

    await bob.say(alice.bareJid, 'too late');
    expect((await bob.messages.next()).attrs).toMatchObject({ type: 'error', from: alice.bareJid });
    const refused = await gateway.logged({ event: 'stream-refused', direction: 'inbound', condition }, before);
    expect(refused.reason).toBe(reason);
    if (reason === 'trust-insufficient') expect(refused.rule?.line).toBe(3);
    await partner.log.waitFor(new RegExp(`Session closed by remote with error: ${condition}`), { after: seen });

    await alice.say(bob.bareJid, 'too late');
    expect((await alice.messages.next()).attrs).toMatchObject({ type: 'error', from: bob.bareJid });
    expect(partner.log.matching(completed, seen)).toEqual([]);

    await gateway.writePolicy(file, open);
    await exchange('welcome back');
  });
});
