import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { Correspondent } from '../correspondent.ts';
import { publishXmpp } from '../dns.ts';
import type { GatewayProcess } from '../gateway.ts';
import { Relay } from '../relay.ts';
import { Flow } from '../traffic.ts';
import { World } from '../world.ts';

const secret = 'component-secret';
const policy = (domain: string) => `partner: ${domain}
trust: { accept: [certificate] }
messages: { allow: both, maxBytes: 400000 }
`;
const queue = 100;

/** Resident memory of a process, MiB. */
async function memory(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

describe.runIf(requirePeers('prosody'))('A partner that stops reading', () => {
  describe.each([{ modules: [] }, { modules: ['smacks'] }] as const)('with $modules', ({ modules }) => {
    let world: World;
    let gateway: GatewayProcess;
    let relay: Relay;
    let slow: Flow;
    let others: readonly Flow[];

    const queued = async (): Promise<number> =>
      Number(/drawbridge_queued_stanzas\{side="partners"\} (\d+)/.exec(await gateway.metrics())?.[1]);

    beforeAll(async () => {
      world = await World.start();
      const [p, q, home] = await Promise.all([
        world.prosody({ domain: 'p.example', users: { bob: 'pass' }, modules }),
        world.prosody({ domain: 'q.example', users: { quinn: 'pass' } }),
        world.prosody({
          domain: 'h.example',
          users: { alice: 'pass', ceo: 'pass' },
          publish: false,
          components: ['p.example', 'q.example'].map((domain) => ({ domain, secret })),
        }),
      ]);
      const front = world.loopback.address();
      const port = await world.loopback.port(front);
      const target = { address: p.address, port: p.ports.s2s };
      relay = world.own(await Relay.start({ address: front, port, target }));
      publishXmpp(world.dns, 'p.example', [{ host: front, port }]);
      gateway = await world.gateway({
        home,
        homeDomains: ['h.example'],
        secret,
        policies: { 'p.example.yaml': policy('p.example'), 'q.example.yaml': policy('q.example') },
        edge: `limits: { queue: { stanzas: ${queue} } }`,
      });
      await gateway.linked('p.example', 'q.example');
      const user = (name: string, server: typeof p) =>
        new Correspondent(`${name}@${server.domain}`, () => world.client(server, name));
      const [alice, ceo, bob, quinn] = [user('alice', home), user('ceo', home), user('bob', p), user('quinn', q)];
      await Promise.all([alice, ceo, bob, quinn].map((everybody) => everybody.online()));
      slow = new Flow('slow', alice, bob);
      others = [new Flow('there', ceo, quinn), new Flow('back', quinn, ceo)];
      for (const flow of [slow, ...others]) {
        await flow.send(1);
        await flow.arrive(1);
      }
    });
    afterAll(() => world?.close());

    it('harms no other; its senders hear of what is too much, and what was accepted arrives in order', async () => {
      relay.pause();
      const before = await memory(gateway.pid);
      while (slow.refused.size === 0) await slow.send(200);
      for (const flow of others) flow.start();
      await Promise.all(others.map((flow) => flow.arrive(300)));
      expect(await queued()).toBeLessThanOrEqual(queue);
      expect((await memory(gateway.pid)) - before).toBeLessThan(100);
      expect(new Set(slow.refused.values())).toEqual(new Set(['resource-constraint']));
      expect(slow.received).toHaveLength(1);

      relay.resume();
      await slow.settle();
      const account = await slow.finish();
      expect(account).toMatchObject({ lost: [], duplicated: [], overtaken: [], contradicted: [] });
      expect(account.received + account.refused).toBe(account.sent);
      for (const flow of others) {
        expect(await flow.finish()).toMatchObject({ refused: 0, lost: [], duplicated: [], overtaken: [] });
      }
    });
  });
});
