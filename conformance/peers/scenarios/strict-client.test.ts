import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { SmClient } from '../client-sm.ts';
import type { Prosody } from '../prosody.ts';
import { drawSeed, seededRandom } from '../seed.ts';
import { Flow } from '../traffic.ts';
import { World } from '../world.ts';

const breaks = 20;

/** The client that the embedded home is proven with is itself proven with a server that no one here wrote. */
describe.runIf(requirePeers('prosody'))('The strict client, at Prosody', () => {
  let world: World;
  let server: Prosody;
  let alice: SmClient;
  let bob: SmClient;

  beforeEach(async () => {
    world = await World.start();
    server = await world.prosody({
      domain: 'h.example',
      users: { alice: 'pass-a', bob: 'pass-b' },
      modules: ['smacks'],
    });
    [alice, bob] = await Promise.all([world.smClient(server, 'alice'), world.smClient(server, 'bob')]);
  });
  afterEach(() => world?.close());

  it('loses and doubles nothing while connections break', async () => {
    const random = seededRandom(drawSeed('strict-client'));
    const flows = [new Flow('there', alice, bob), new Flow('back', bob, alice)];
    for (const flow of flows) flow.start();
    for (let count = 0; count < breaks; count += 1) {
      await Promise.all(flows.map((flow) => flow.arrive(10)));
      (random() < 0.5 ? alice : bob).drop();
    }
    await Promise.all(flows.map((flow) => flow.arrive(10)));
    const nothing = { refused: 0, lost: [], duplicated: [], overtaken: [] };
    for (const flow of flows) expect(await flow.finish()).toMatchObject(nothing);
    expect(alice.resumptions + bob.resumptions).toBe(breaks);
    expect([alice.sessions, bob.sessions]).toEqual([1, 1]);
    expect([...alice.violations, ...bob.violations]).toEqual([]);
  });

  it('takes a new session where the server knows nothing of the old one, and leaves open what became of its messages', async () => {
    await server.kill();
    const doubtful = alice.say(bob.jid, 'doubtful');
    await server.start();
    await doubtful;
    await alice.say(bob.address, 'certain');
    expect((await bob.messages.next()).getChildText('body')).toBe('certain');
    expect([alice.sessions, bob.sessions]).toEqual([2, 2]);
    expect([...alice.violations, ...bob.violations]).toEqual([]);
  });
});
