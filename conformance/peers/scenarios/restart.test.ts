import { afterEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { BothWays, everything } from '../both-ways.ts';
import { Federation, type FederationOptions, partnerDomain } from '../federation.ts';
import { underWay } from '../traffic.ts';

describe.runIf(requirePeers('prosody', 'ejabberd'))('Under traffic both ways', () => {
  let federation: Federation;
  afterEach(() => federation?.close());

  const start = async (options: Pick<FederationOptions, 'partner' | 'home' | 'partnerModules'>): Promise<BothWays> => {
    federation = await Federation.start({ ...options, proof: 'certificate', tls: 'starttls' });
    return BothWays.start(federation);
  };

  it.each([
    { partner: 'prosody', home: 'prosody', partnerModules: ['smacks'] },
    { partner: 'prosody', home: 'prosody', partnerModules: [] },
    { partner: 'ejabberd', home: 'prosody', partnerModules: [] },
  ] as const)(
    'the partner restarts ($partner $partnerModules): nothing is lost, doubled or overtaken',
    async (options) => {
      const traffic = await start(options);
      // What a server has handed to a client that it then cuts off is no business of the gateway's.
      await traffic.bob.offline();
      await federation.partner.restart();
      await traffic.bob.online();
      await traffic.warm();
      await traffic.bert.online();
      await traffic.arrive();
      expect(await traffic.finish()).toMatchObject({ outbound: everything, inbound: everything });
    },
  );

  it.each([
    { partner: 'prosody', home: 'prosody' },
    { partner: 'prosody', home: 'ejabberd' },
  ] as const)('the home server restarts ($home): nothing is lost, doubled or overtaken', async (options) => {
    const traffic = await start(options);
    await traffic.alice.offline();
    const after = federation.gateway.log.mark();
    await federation.home.restart();
    await federation.gateway.logged({ event: 'home-linked', partner: partnerDomain }, after);
    await Promise.all([traffic.alice.online(), traffic.ceo.online()]);
    await traffic.arrive();
    expect(await traffic.finish()).toMatchObject({ outbound: everything, inbound: everything });
  });

  it('the home server dies: nothing that it was sent is lost or overtaken', async () => {
    const traffic = await start({ partner: 'prosody', home: 'prosody' });
    // What waits for an offline user Prosody writes to its files before it answers the fence behind it.
    await traffic.alice.offline();
    await federation.home.kill();
    const after = federation.gateway.log.mark();
    await federation.home.start();
    await federation.gateway.logged({ event: 'home-linked', partner: partnerDomain }, after);
    await Promise.all([traffic.alice.online(), traffic.ceo.online()]);
    await traffic.arrive();
    const { outbound, inbound } = await traffic.finish();
    expect(inbound).toMatchObject({ refused: 0, lost: [], overtaken: [] });
    // Only what was under way to it can have come twice.
    expect(inbound.duplicated.length).toBeLessThanOrEqual(underWay);
    // What it took from its own users and had not passed on died with it.
    expect(outbound).toMatchObject({ refused: 0, duplicated: [], overtaken: [] });
  });

  it.each([
    { partner: 'prosody', home: 'prosody', partnerModules: ['smacks'] },
    { partner: 'prosody', home: 'prosody', partnerModules: ['s2s_bidi'] },
    { partner: 'prosody', home: 'ejabberd', partnerModules: [] },
    { partner: 'ejabberd', home: 'prosody', partnerModules: [] },
  ] as const)(
    'the gateway restarts ($partner $partnerModules, $home): each message arrives once or comes back',
    async (options) => {
      const traffic = await start(options);
      const { gateway } = federation;
      expect(await gateway.stop()).toBe(0);
      await traffic.inbound.stop();
      const after = gateway.log.mark();
      await gateway.start();
      await gateway.logged({ event: 'home-linked', partner: partnerDomain }, after);
      await traffic.warm();
      traffic.inbound.start();
      await traffic.arrive();
      const { outbound, inbound } = await traffic.finish();
      const once = { lost: [], duplicated: [], overtaken: [], contradicted: [] };
      expect(outbound).toMatchObject(once);
      // ejabberd 23.01 forgets what it was about to write when the other side closes the stream.
      expect(inbound).toMatchObject({ ...once, lost: options.partner === 'ejabberd' ? expect.anything() : [] });
    },
  );
});
