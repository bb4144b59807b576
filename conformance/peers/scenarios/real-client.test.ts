import { xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import type { GatewayProcess } from '../gateway.ts';
import { Profanity } from '../profanity.ts';
import { World } from '../world.ts';

const policy = `partner: p.example
trust: { accept: [certificate] }
presence: [{ local: "*", show: full }]
messages: { allow: both }
`;

/** Not go-sendxmpp: Debian's knows no SASL mechanism but PLAIN, which the embedded home does not offer. */
describe.runIf(requirePeers('prosody', 'profanity'))('A real client at the embedded home', () => {
  let world: World;
  let gateway: GatewayProcess;
  let bob: TestClient;
  let ann: Profanity;

  beforeAll(async () => {
    world = await World.start();
    const [partner, started] = await Promise.all([
      world.prosody({ domain: 'p.example', users: { bob: 'pass-b' } }),
      world.gateway({
        home: { users: { ann: 'pass-a' } },
        homeDomains: ['h.example'],
        policies: { 'p.example.yaml': policy },
      }),
    ]);
    gateway = started;
    bob = await world.client(partner, 'bob');
    ann = world.own(
      await Profanity.start({
        folder: await world.makeFolder('profanity-client'),
        address: gateway.address,
        port: gateway.ports.c2s,
        jid: 'ann@h.example',
        password: 'pass-a',
        authorityPem: world.authority.pem,
      }),
    );
  });
  afterAll(() => world?.close());

  it('signs in, with TLS verified and SCRAM', async () => {
    const line = await gateway.logged({ event: 'stream-proven', direction: 'client' });
    expect(line).toMatchObject({ account: 'ann@h.example/profanity' });
    await ann.shows('ann@h.example');
  });

  it('talks with a user of a partner', async () => {
    ann.type('/msg bob@p.example over to you');
    const message = await bob.messages.next((one) => one.getChildText('body') === 'over to you');
    expect(message.attrs.from).toBe('ann@h.example/profanity');
    await bob.say('ann@h.example', 'and back to you');
    await ann.shows('and back to you');
  });

  it('subscribes, and sees that the other one is there', async () => {
    ann.type('/sub request bob@p.example');
    await bob.presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === 'ann@h.example');
    await bob.send(xml('presence', { to: 'ann@h.example', type: 'subscribed' }));
    ann.type('/win 1');
    await ann.shows('Subscription received from bob@p.example');
  });
});
