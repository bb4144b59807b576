import { afterEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { BothWays, everything, lightly, type TrafficOptions } from '../both-ways.ts';
import { Federation, type FederationOptions, partnerDomain, type ServerKind } from '../federation.ts';

type Servers = Pick<FederationOptions, 'partner' | 'home' | 'partnerModules'>;

describe.runIf(requirePeers('prosody', 'ejabberd'))('Under traffic both ways', () => {
  let federation: Federation;
  afterEach(() => federation?.close());

  const start = async (servers: Servers, options?: TrafficOptions): Promise<BothWays> => {
    federation = await Federation.start({ ...servers, proof: 'certificate', tls: 'starttls' });
    return BothWays.start(federation, options);
  };

  /** What a server has handed to a client that it then cuts off is no business of the gateway's: receivers are offline. */
  const restartPartner = async (traffic: BothWays): Promise<void> => {
    await traffic.bob.offline();
    await federation.partner.restart();
    await traffic.bob.online();
    await traffic.warm();
    await traffic.bert.online();
    await traffic.arrive();
  };

  const startHome = async (traffic: BothWays): Promise<void> => {
    const after = federation.gateway.log.mark();
    await federation.home.start();
    await federation.gateway.logged({ event: 'home-linked', partner: partnerDomain }, after);
    await Promise.all([traffic.alice.online(), traffic.ceo.online()]);
    await traffic.arrive();
  };

  it.each([
    { partner: 'prosody', home: 'prosody', partnerModules: ['smacks'] },
    { partner: 'prosody', home: 'prosody', partnerModules: [] },
  ] as const)('the partner restarts ($partner $partnerModules): all arrives once', async (servers) => {
    const traffic = await start(servers);
    await restartPartner(traffic);
    expect(await traffic.finish()).toMatchObject({ outbound: everything, inbound: everything });
  });

  it('the partner restarts (ejabberd): all arrives once or comes back', async () => {
    const traffic = await start({ partner: 'ejabberd', home: 'prosody' });
    await restartPartner(traffic);
    const { outbound, inbound } = await traffic.finish();
    expect(inbound).toMatchObject(everything);
    // An ejabberd that stops may answer the ping behind a message that it then does not store.
    expect(outbound).toMatchObject({
      ...onceOrRefused('ejabberd'),
      lost: expect.any(Array),
      contradicted: expect.any(Array),
    });
    expect(outbound.refused + outbound.lost.length).toBeLessThanOrEqual(lightly);
  });

  it.each([
    { partner: 'prosody', home: 'prosody', partnerModules: ['smacks'] },
    { partner: 'prosody', home: 'prosody', partnerModules: [] },
  ] as const)('the partner restarts under load ($partnerModules): all arrives once or comes back', async (servers) => {
    const underWay = 100;
    const traffic = await start(servers, { underWay });
    await restartPartner(traffic);
    const { outbound, inbound } = await traffic.finish();
    expect(inbound).toMatchObject(everything);
    // Prosody stops reading in the middle of a batch: what lies in front of no barrier that it read comes back.
    expect(outbound).toMatchObject({ ...onceOrRefused('prosody'), contradicted: expect.any(Array) });
    expect(outbound.refused).toBeLessThanOrEqual(underWay);
  });

  it.each([
    { partner: 'prosody', home: 'prosody' },
    { partner: 'prosody', home: 'ejabberd' },
  ] as const)('the home server restarts ($home): all arrives once or comes back', async (servers) => {
    const traffic = await start(servers);
    await traffic.alice.offline();
    await federation.home.stop();
    await startHome(traffic);
    const { outbound, inbound } = await traffic.finish();
    expect(outbound).toMatchObject(everything);
    // A server that stops may take a message and leave the ping behind it unanswered.
    expect(inbound).toMatchObject({ ...onceOrRefused(servers.home), lost: [], contradicted: expect.any(Array) });
    expect(inbound.refused).toBeLessThanOrEqual(lightly);
  });

  it('the home server dies: what it was sent arrives once or comes back', async () => {
    const traffic = await start({ partner: 'prosody', home: 'prosody' });
    // What waits for an offline user Prosody writes to its files before it answers the fence behind it.
    await traffic.alice.offline();
    await federation.home.kill();
    await startHome(traffic);
    const { outbound, inbound } = await traffic.finish();
    // What it stored and had not answered for comes back as well: nobody can know.
    expect(inbound).toMatchObject({ ...onceOrRefused('prosody'), contradicted: expect.any(Array) });
    expect(inbound.refused).toBeLessThanOrEqual(lightly);
    // What it took from its own users and had not passed on died with it.
    expect(outbound).toMatchObject({ ...everything, lost: expect.any(Array) });
    expect(outbound.lost.length).toBeLessThanOrEqual(lightly);
  });

  it.each([
    { partner: 'prosody', home: 'prosody', partnerModules: ['smacks'] },
    { partner: 'prosody', home: 'prosody', partnerModules: ['s2s_bidi'] },
    { partner: 'prosody', home: 'ejabberd', partnerModules: [] },
    // Not ejabberd as the partner: 23.01 drops what it was about to write when the other side closes in good order.
  ] as const)(
    'the gateway restarts ($partner $partnerModules, $home): all arrives once or comes back',
    async (servers) => {
      const traffic = await start(servers);
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
      expect(outbound).toMatchObject(onceOrRefused(servers.home));
      expect(inbound).toMatchObject(onceOrRefused(servers.partner));
    },
  );
});

/** ejabberd 23.01 forgets what it was about to write when the other side closes a stream. */
function onceOrRefused(sender: ServerKind): object {
  const { lost, ...others } = everything;
  return { ...others, refused: expect.any(Number), ...(sender === 'ejabberd' ? {} : { lost }) };
}
