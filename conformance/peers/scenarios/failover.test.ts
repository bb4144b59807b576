import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { BothWays, everything } from '../both-ways.ts';
import { publishXmpp } from '../dns.ts';
import { Federation, partnerDomain } from '../federation.ts';
import { Relay } from '../relay.ts';

const underWay = 40;

describe.runIf(requirePeers('prosody', 'ejabberd'))('DNS names several servers of the partner', () => {
  describe.each(['prosody', 'ejabberd'] as const)('with %s as the partner', (partner) => {
    let federation: Federation;
    let relay: Relay;
    let traffic: BothWays;

    beforeAll(async () => {
      federation = await Federation.start({ partner, home: 'prosody', proof: 'certificate', tls: 'starttls' });
      const { world } = federation;
      const { address, ports } = federation.partner;
      const front = world.loopback.address();
      const port = await world.loopback.port(front);
      relay = world.own(await Relay.start({ address: front, port, target: { address, port: ports.s2s } }));
      publishXmpp(world.dns, partnerDomain, [
        { host: front, port: await world.loopback.port(front), priority: 0 },
        { host: front, port, priority: 10 },
        { host: address, port: ports.s2s, priority: 20 },
      ]);
      traffic = await BothWays.start(federation, { underWay });
    });
    afterAll(() => federation?.close());

    it('passes over a dead one, and leaves for the next when one dies under traffic: nothing is lost or doubled, what is in doubt comes back', async () => {
      expect(relay.accepted).toBe(1);
      expect(relay.connections).toBe(1);
      const after = federation.gateway.log.mark();
      await relay.close();
      await federation.gateway.logged({ event: 'stream-proven', direction: 'outbound', partner: partnerDomain }, after);
      await traffic.arrive();
      const proven = federation.gateway.lines({ event: 'stream-proven', direction: 'outbound' });
      expect(proven.map(({ address }) => address)).toEqual([relay.address, federation.partner.address]);
      const { outbound, inbound } = await traffic.finish();
      expect(outbound).toMatchObject({ lost: [], duplicated: [], overtaken: [] });
      expect(outbound.refused).toBeLessThanOrEqual(underWay);
      expect(
        [...traffic.outbound.refused.values()].filter((condition) => condition !== 'remote-server-timeout'),
      ).toEqual([]);
      expect(inbound).toMatchObject(everything);
    });
  });
});
