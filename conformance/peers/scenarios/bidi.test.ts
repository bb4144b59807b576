import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { BothWays, everything } from '../both-ways.ts';
import { Federation, partnerDomain } from '../federation.ts';

describe.runIf(requirePeers('prosody'))('One stream carries both directions (XEP-0288)', () => {
  describe.each([
    { first: 'the partner', direction: 'inbound', partnerModules: ['s2s_bidi'] },
    { first: 'the partner', direction: 'inbound', partnerModules: ['s2s_bidi', 'smacks'] },
    { first: 'a local user', direction: 'outbound', partnerModules: ['s2s_bidi'] },
    { first: 'a local user', direction: 'outbound', partnerModules: ['s2s_bidi', 'smacks'] },
  ] as const)('$first begins, the partner has $partnerModules', ({ direction, partnerModules }) => {
    let federation: Federation;

    beforeAll(async () => {
      federation = await Federation.start({
        partner: 'prosody',
        home: 'prosody',
        proof: 'certificate',
        tls: 'starttls',
        partnerModules,
      });
    });
    afterAll(() => federation?.close());

    it('in order, and no second one is opened', async () => {
      const { gateway, partner } = federation;
      const traffic = await BothWays.prepare(federation, { first: direction, underWay: 40 });
      traffic.outbound.start();
      traffic.inbound.start();
      await traffic.arrive(300);
      expect(await traffic.finish()).toMatchObject({ outbound: everything, inbound: everything });
      const proven = gateway.lines({ event: 'stream-proven' });
      expect(proven.map((line) => [line.direction, line.partner])).toEqual([[direction, partnerDomain]]);
      const streams = /drawbridge_streams\{kind="(incoming|outgoing)"\} [1-9]\d*/g;
      expect((await gateway.metrics()).match(streams)).toHaveLength(1);
      expect(partner.log.matching(/s2s connection .* complete/)).toHaveLength(1);
    });
  });
});
