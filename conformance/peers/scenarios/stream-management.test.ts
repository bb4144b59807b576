import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { everything } from '../both-ways.ts';
import { Correspondent } from '../correspondent.ts';
import { publishXmpp } from '../dns.ts';
import type { GatewayProcess } from '../gateway.ts';
import type { Prosody } from '../prosody.ts';
import { Relay } from '../relay.ts';
import { Flow } from '../traffic.ts';
import { World } from '../world.ts';

const secret = 'component-secret';
const policy = (domain: string) => `partner: ${domain}
trust: { accept: [certificate] }
messages: { allow: both, maxBytes: 400000 }
`;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe.runIf(requirePeers('prosody'))('Stream management between servers (XEP-0198)', () => {
  let world: World;

  /** A gateway in front of a server of its own, which has the partner as its component. */
  const organisation = async (domain: string, partner: string): Promise<{ home: Prosody; gateway: GatewayProcess }> => {
    const home = await world.prosody({
      domain,
      users: { sender: 'pass', receiver: 'pass' },
      publish: false,
      components: [{ domain: partner, secret }],
    });
    const policies = { [`${partner}.yaml`]: policy(partner) };
    const gateway = await world.gateway({ home, homeDomains: [domain], secret, policies });
    await gateway.linked(partner);
    return { home, gateway };
  };
  const user = async (server: Prosody, name: string): Promise<Correspondent> => {
    const one = new Correspondent(`${name}@${server.domain}`, () => world.client(server, name));
    await one.online();
    return one;
  };
  /** From the sender at each to the receiver at the other, warmed up. */
  const flows = async (one: Prosody, other: Prosody, limit: number): Promise<[Flow, Flow]> => {
    const there = new Flow('there', await user(one, 'sender'), await user(other, 'receiver'), { limit });
    const back = new Flow('back', await user(other, 'sender'), await user(one, 'receiver'), { limit });
    for (const flow of [there, back]) {
      await flow.send(1);
      await flow.arrive(1);
    }
    return [there, back];
  };

  describe('with Prosody', () => {
    let partner: Prosody;
    let gateway: GatewayProcess;
    let home: Prosody;

    beforeAll(async () => {
      world = await World.start();
      const users = { sender: 'pass', receiver: 'pass' };
      partner = await world.prosody({ domain: 'p.example', users, modules: ['smacks'], logLevel: 'debug' });
      ({ home, gateway } = await organisation('h.example', 'p.example'));
    });
    afterAll(() => world?.close());

    it('confirms what flows, each side on the stream that the other opened', async () => {
      const traffic = await flows(home, partner, 40);
      for (const flow of traffic) flow.start();
      await Promise.all(traffic.map((flow) => flow.arrive(300)));
      for (const flow of traffic) expect(await flow.finish()).toMatchObject(everything);
      // On its own stream Prosody learns from us what we have taken, and on ours it tells us.
      const learnt = partner.log.matching(/s2sout\w+\s+debug\s+#queue = \d+ \(acked: [1-9]\d*\)/);
      expect(sum(learnt.map((line) => Number(/acked: (\d+)/.exec(line)?.[1])))).toBeGreaterThanOrEqual(300);
      const told = partner.log.matching(/Received ack request, acking for \d+/);
      expect(Number(/acking for (\d+)/.exec(told.at(-1) ?? '')?.[1])).toBeGreaterThanOrEqual(300);
      expect(partner.log.matching(/Destroying session with \d+ unacked stanzas/)).toEqual([]);
      expect(gateway.lines({ event: 'stream-proven' }).map(({ direction }) => direction)).toEqual(
        expect.arrayContaining(['inbound', 'outbound']),
      );
      expect(gateway.lines({ event: 'stream-closed' })).toEqual([]);
    });
  });

  describe('between two gateways, over a network that breaks', () => {
    const cuts = 6;
    let one: { home: Prosody; gateway: GatewayProcess };
    let other: { home: Prosody; gateway: GatewayProcess };
    let relays: readonly Relay[];

    beforeAll(async () => {
      world = await World.start();
      [one, other] = await Promise.all([
        organisation('a.example', 'b.example'),
        organisation('b.example', 'a.example'),
      ]);
      relays = await Promise.all([relayed('a.example', one.gateway), relayed('b.example', other.gateway)]);
    });
    afterAll(() => world?.close());

    const relayed = async (domain: string, { address, ports }: GatewayProcess): Promise<Relay> => {
      const front = world.loopback.address();
      const port = await world.loopback.port(front);
      publishXmpp(world.dns, domain, [{ host: front, port }]);
      return world.own(await Relay.start({ address: front, port, target: { address, port: ports.s2s } }));
    };

    it(`resumes: of what was under way at ${cuts} breaks all arrives, once and in order, and nothing is refused`, async () => {
      const traffic = await flows(one.home, other.home, 200);
      for (const flow of traffic) flow.start();
      for (let cut = 1; cut <= cuts; cut++) {
        await Promise.all(traffic.map((flow) => flow.arrive(200)));
        // The second time only those hear of it who opened the streams: the others' still stand when they are resumed.
        for (const relay of relays) cut % 2 === 0 ? relay.strand() : relay.cut();
        // Each resumes the streams it opened, and has those resumed that the other one did.
        await Promise.all([one, other].map(({ gateway }) => gateway.loggedTimes(cut, { event: 'stream-resumed' })));
      }
      for (const flow of traffic) expect(await flow.finish()).toMatchObject(everything);
      for (const { gateway } of [one, other]) {
        expect(gateway.lines({ event: 'stanza-undeliverable' })).toEqual([]);
      }
    });

    it('resumes across a kill: the partner learns what the store has kept, and doubts nothing', async () => {
      const flow = new Flow('kept', await user(one.home, 'sender'), await user(other.home, 'receiver'), { limit: 200 });
      flow.start();
      await flow.arrive(200);
      const [mark, after] = [one, other].map(({ gateway }) => gateway.log.mark()) as [number, number];
      await other.gateway.kill();
      await other.gateway.start();
      await other.gateway.logged({ event: 'stream-resumed', direction: 'inbound' }, after);
      await one.gateway.logged({ event: 'stream-resumed', direction: 'outbound' }, mark);
      await flow.arrive(200);
      // What was on the link of the killed gateway to its home server is in doubt, and comes back also where it arrived.
      expect(await flow.finish()).toMatchObject({ lost: [], duplicated: [], overtaken: [] });
      expect(one.gateway.lines({ event: 'stanza-undeliverable' }, mark)).toEqual([]);
    });
  });
});
