import { once } from 'node:events';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type Client, client, type Element, xml } from '@xmpp/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClientWorld, DOMAIN } from './testing/client-world.fixture.ts';

let world: ClientWorld;
const clients: Client[] = [];
const authorities = getCACertificates('default');

beforeAll(async () => {
  world = await ClientWorld.start({ over: ['starttls', 'websocket-clear'] });
  // xmpp.js verifies the certificate as any TLS client does, and has no option for another authority.
  setDefaultCACertificates([...authorities, world.certificatePem]);
  await world.accounts.add('juliet', DOMAIN, 'wherefore art thou');
});

afterEach(async () => {
  for (const one of clients.splice(0)) await one.stop().catch(() => undefined);
});

afterAll(async () => {
  setDefaultCACertificates(authorities);
  await world.close();
});

const services = {
  TCP: () => `xmpp://127.0.0.1:${world.port('starttls')}`,
  WebSocket: () => `ws://127.0.0.1:${world.port('websocket-clear')}/xmpp-websocket`,
};

/** A client of `@xmpp/client` as its users make it. */
function make(service: string, resource: string, password = 'wherefore art thou'): Client {
  const one = client({
    service,
    domain: DOMAIN,
    resource,
    credentials: (authenticate, [mechanism = '']) => authenticate({ username: 'juliet', password }, mechanism),
  });
  one.reconnect.stop();
  one.on('error', () => {}); // start() rejects with it
  clients.push(one);
  return one;
}

describe.each(['TCP', 'WebSocket'] as const)('@xmpp/client over %s', (kind) => {
  it('signs in, binds, and talks to another client', async () => {
    const [one, two] = [make(services[kind](), `one-${kind}`), make(services.TCP(), `two-${kind}`)];
    expect(String(await one.start())).toBe(`juliet@${DOMAIN}/one-${kind}`);
    const peer = await two.start();
    const there = once(two, 'stanza') as Promise<[Element]>;
    await one.send(xml('message', { to: String(peer), type: 'chat' }, xml('body', {}, 'a < b & ü')));
    const [message] = await there;
    expect(message.attrs.from).toBe(`juliet@${DOMAIN}/one-${kind}`);
    expect(message.getChildText('body')).toBe('a < b & ü');
    const back = once(one, 'stanza') as Promise<[Element]>;
    await two.send(xml('message', { to: message.attrs.from, type: 'chat' }, xml('body', {}, 'back')));
    expect((await back)[0].getChildText('body')).toBe('back');
  });

  it('is refused with a wrong password', async () => {
    await expect(make(services[kind](), 'wrong', 'wrong').start()).rejects.toMatchObject({
      condition: 'not-authorized',
    });
  });
});
