import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setDefaultCACertificates } from 'node:tls';
import { type Client, client, type Element, xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, issueCertificate } from '../../../pki/issue.ts';
import type { HomeHost } from '../../bridge/ports.ts';
import { Store } from '../../store/store.ts';
import { OwnCertificates } from '../../xmpp/own-certificates.ts';
import { openLimits, presentable } from '../../xmpp/testing/edge.fixture.ts';
import { RecordingJournal } from '../../xmpp/testing/recording.fixture.ts';
import { Watch } from '../../xmpp/testing/watch.fixture.ts';
import { Accounts } from './accounts.ts';
import { EmbeddedHome } from './embedded-home.ts';
import { stanza } from './local-users.fixture.ts';
import { clientEdgeOptions, DOMAIN } from './testing/client-world.fixture.ts';
import { RawClient } from './testing/raw-client.fixture.ts';

const STORE = 'drawbridge.sqlite';
const now = (): number => Date.now();

/** A middle that takes down what it is given, and keeps nothing itself. */
class Middle {
  readonly watch = new Watch();
  readonly outbound: string[] = [];
  readonly said: string[] = [];

  host(store: Store): HomeHost {
    const say = (text: string): void => {
      this.said.push(text);
      this.watch.changed();
    };
    return {
      outbound: (_partner, { bytes }) => {
        this.outbound.push(bytes.toString());
        this.watch.changed();
        return true;
      },
      delivered: ({ id }) => say(`delivered ${id}`),
      undeliverable: ({ id }, reason) => say(`undeliverable ${id} ${reason}`),
      returned: (stanzas) => say(`returned ${stanzas.length}`),
      roomForHome: (partner) => say(`room ${partner}`),
      homeUnreachable: (partner) => say(`unreachable ${partner}`),
      whenKept: (then) => store.whenKept(then),
    };
  }
}

/** An embedded home on loopback, over a folder that may outlive it. */
class World {
  readonly middle = new Middle();
  readonly home: EmbeddedHome;
  readonly store: Store;
  readonly accounts: Accounts;
  readonly folder: string;
  port = 0;

  constructor(certificates: OwnCertificates, folder = mkdtempSync(join(tmpdir(), 'embedded-home-'))) {
    this.folder = folder;
    this.store = Store.open({ file: join(folder, STORE), fsync: 'commit', bytes: 2 ** 30, now });
    this.accounts = new Accounts(this.store, { now, iterations: 4096 });
    this.home = new EmbeddedHome({
      host: this.middle.host(this.store),
      journal: new RecordingJournal(this.middle.watch),
      store: this.store,
      accounts: this.accounts,
      certificates,
      options: {
        users: {
          domains: [DOMAIN],
          unserved: [],
          mailbox: { messages: 1_000, bytes: 1_000_000, age: 86_400_000, senderBytes: 10_000_000 },
          contacts: 100,
          vcardBytes: 65_536,
          version: '0',
        },
        clients: clientEdgeOptions,
        listen: [{ host: '127.0.0.1', port: 0, over: 'starttls' }],
        connections: openLimits,
      },
      now,
    });
  }

  async start(): Promise<this> {
    const [bound] = await this.home.start();
    this.port = bound?.port ?? 0;
    return this;
  }

  /** A world on what a killed process would have left of this one. */
  left(certificates: OwnCertificates): World {
    const folder = mkdtempSync(join(tmpdir(), 'embedded-home-'));
    for (const file of [STORE, `${STORE}-wal`]) {
      if (existsSync(join(this.folder, file))) copyFileSync(join(this.folder, file), join(folder, file));
    }
    return new World(certificates, folder);
  }

  async close(): Promise<void> {
    await this.home.close();
    this.store.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** A user's `@xmpp/client`, and what came to it. */
class User {
  readonly client: Client;
  readonly watch = new Watch();
  readonly stanzas: Element[] = [];

  constructor(port: number, username: string, resource: string) {
    this.client = client({
      service: `xmpp://127.0.0.1:${port}`,
      domain: DOMAIN,
      resource,
      credentials: (authenticate) => authenticate({ username, password: `${username} knows` }, 'SCRAM-SHA-1'),
    });
    this.client.reconnect.stop();
    // xmpp.js acknowledges what came before it was told that it may.
    this.client.prependListener('element', (element: Element) => {
      if (element.name === 'stream:features') element.remove('sm', 'urn:xmpp:sm:3');
    });
    this.client.iqCallee.set('jabber:iq:roster', 'query', () => true);
    this.client.on('error', () => undefined);
    this.client.on('stanza', (element: Element) => {
      this.stanzas.push(element);
      this.watch.changed();
    });
  }

  /** Signs in, follows the roster and becomes available. */
  async online(): Promise<this> {
    await this.client.start();
    await this.send(xml('iq', { type: 'get', id: 'roster' }, xml('query', { xmlns: 'jabber:iq:roster' })));
    await this.send(xml('iq', { type: 'set', id: 'carbons' }, xml('enable', { xmlns: 'urn:xmpp:carbons:2' })));
    await this.send(xml('presence'));
    await this.sees((element) => element.name === 'presence' && element.attrs.from === element.attrs.to);
    return this;
  }

  send(element: Element): Promise<void> {
    return this.client.send(element);
  }

  say(to: string, text: string): Promise<void> {
    return this.send(xml('message', { to, type: 'chat', id: text }, xml('body', {}, text)));
  }

  /** Waits for such a stanza, which may have come already, and takes it. */
  sees(is: (element: Element) => boolean): Promise<Element> {
    return this.watch.until(() => {
      const at = this.stanzas.findIndex(is);
      return at >= 0 && this.stanzas.splice(at, 1)[0];
    });
  }

  async leave(): Promise<void> {
    await this.client.stop();
  }
}

const presenceOf = (type: string | undefined, from: string) => (element: Element) =>
  element.name === 'presence' && element.attrs.type === type && element.attrs.from === from;
const textOf = (element: Element): string | null => (element.name === 'message' ? element.getChildText('body') : null);

let certificates: OwnCertificates;
let world: World;
beforeAll(async () => {
  const authority = await createAuthority({ name: 'Embedded home test authority' });
  certificates = new OwnCertificates([presentable(await issueCertificate(authority, { domains: [DOMAIN] }))], {
    minVersion: 'TLSv1.2',
  });
  setDefaultCACertificates([authority.certificatePem]);
  world = await new World(certificates).start();
  for (const name of ['romeo', 'juliet', 'nurse']) await world.accounts.add(name, DOMAIN, `${name} knows`);
});
afterAll(() => world.close());

describe('two users with @xmpp/client over STARTTLS', () => {
  const ROMEO = `romeo@${DOMAIN}`;
  const JULIET = `juliet@${DOMAIN}`;

  it('subscribe to each other, chat with carbons, and get what came while they were away', async () => {
    const romeo = await new User(world.port, 'romeo', 'orchard').online();
    const juliet = await new User(world.port, 'juliet', 'balcony').online();

    await romeo.send(xml('presence', { to: JULIET, type: 'subscribe' }));
    await juliet.sees(presenceOf('subscribe', ROMEO));
    await juliet.send(xml('presence', { to: ROMEO, type: 'subscribed' }));
    await juliet.send(xml('presence', { to: ROMEO, type: 'subscribe' }));
    await romeo.sees(presenceOf('subscribe', JULIET));
    await romeo.send(xml('presence', { to: JULIET, type: 'subscribed' }));
    await romeo.sees(presenceOf(undefined, `${JULIET}/balcony`));
    await juliet.sees(presenceOf(undefined, `${ROMEO}/orchard`));

    const phone = await new User(world.port, 'juliet', 'phone').online();
    await romeo.say(`${JULIET}/balcony`, 'But soft');
    await juliet.sees((element) => textOf(element) === 'But soft');
    const copy = await phone.sees((element) => element.getChild('received', 'urn:xmpp:carbons:2') !== undefined);
    expect(copy.attrs.from).toBe(JULIET);
    expect(String(copy)).toContain('But soft');
    await juliet.say(`${ROMEO}/orchard`, 'Ay me');
    await romeo.sees((element) => textOf(element) === 'Ay me');
    await phone.sees((element) => element.getChild('sent', 'urn:xmpp:carbons:2') !== undefined);

    await juliet.leave();
    await phone.leave();
    await romeo.sees(presenceOf('unavailable', `${JULIET}/phone`));
    await romeo.say(JULIET, 'She speaks');
    await romeo.say(JULIET, 'O speak again');
    await romeo.send(xml('iq', { type: 'get', id: 'p', to: DOMAIN }, xml('ping', { xmlns: 'urn:xmpp:ping' })));
    await romeo.sees((element) => element.attrs.id === 'p');
    expect(world.home.queued).toBe(2);

    const again = await new User(world.port, 'juliet', 'balcony').online();
    const first = await again.sees((element) => textOf(element) !== null);
    const second = await again.sees((element) => textOf(element) !== null);
    expect([first, second].map(textOf)).toEqual(['She speaks', 'O speak again']);
    expect(first.getChild('delay', 'urn:xmpp:delay')?.attrs.from).toBe(DOMAIN);
    expect(world.middle.outbound).toEqual([]);
    await again.leave();
    await romeo.leave();
  });
});

describe('a gateway that is killed', () => {
  const message = (id: string): string =>
    `<message from="ann@fabrikam.example" to="nurse@${DOMAIN}" type="chat" id="${id}"><body>${id}</body></message>`;

  it('gives each message once to a client that resumes its session', async () => {
    const before = await RawClient.secure(world.port);
    await before.signIn('nurse', 'nurse knows');
    await before.bind('raw');
    const session = await before.manage();
    before.write('<presence/>');
    await before.read(/<presence [^>]*>/);
    for (const id of ['k1', 'k2']) world.home.deliver('fabrikam.example', stanza(message(id)));
    await before.read(/k1.*k2<\/body><\/message>/s);
    // The presence that came back, and the first message.
    before.write("<a xmlns='urn:xmpp:sm:3' h='2'/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    await before.read(/<iq [^>]*id="p"/);
    expect(world.home.queued).toBe(1);
    await new Promise<void>((resolve) => world.store.whenKept(resolve));

    const next = await world.left(certificates).start();
    before.cut();
    next.home.deliver('fabrikam.example', stanza(message('k3')));
    const after = await RawClient.secure(next.port);
    await after.signIn('nurse', 'nurse knows');
    after.write(`<resume xmlns='urn:xmpp:sm:3' previd='${session}' h='2'/>`);
    expect(await after.read(/<resumed [^>]*>/)).toContain("h='2'");
    const got = await after.read(/k3<\/body>.*?<\/message>/s);
    expect(got.match(/<body>(k\d)/g)).toEqual(['<body>k2', '<body>k3']);
    after.cut();
    await next.close();
  });
});

describe('whoever is not asked', () => {
  const JULIET = `juliet@${DOMAIN}`;
  const sorts = {
    presence: `<presence to='${JULIET}'/>`,
    'answers to nothing': `<iq type='result' id='1' to='${JULIET}/b'/>`,
    requests: `<iq type='get' id='1' to='${JULIET}/b'><ping xmlns='urn:xmpp:ping'/></iq>`,
    'messages that need not be kept': `<message type='chat' to='${JULIET}'><body>x</body><no-store xmlns='urn:xmpp:hints'/></message>`,
    headlines: `<message type='headline' to='${JULIET}'><body>x</body></message>`,
  };

  it.each(Object.entries(sorts))('ends no session of another user with %s', async (_what, xml) => {
    const juliet = await RawClient.secure(world.port);
    await juliet.signIn('juliet', 'juliet knows');
    await juliet.bind('b');
    await juliet.manage();
    juliet.write('<presence/>');
    const nurse = await RawClient.secure(world.port);
    await nurse.signIn('nurse', 'nurse knows');
    await nurse.bind('a');
    nurse.write(xml.repeat(2 * clientEdgeOptions.queue.stanzas));
    nurse.write("<iq type='get' id='done'><ping xmlns='urn:xmpp:ping'/></iq>");
    await nurse.read(/<iq [^>]*id="done"/);
    // What she asks for herself is answered, and what is for her to keep arrives.
    juliet.write("<iq type='get' id='still'><query xmlns='jabber:iq:roster'/></iq>");
    await juliet.read(/<iq [^>]*id="still"/);
    nurse.write(`<message type='chat' to='${JULIET}' id='real'><body>real</body></message>`);
    await juliet.read(/<body>real<\/body>/);
    for (const client of [juliet, nurse]) {
      client.write('</stream:stream>');
      await client.read(/<\/stream:stream>/);
    }
  });
});

it('takes nothing before it is ready, and says when it is', async () => {
  const early = new World(certificates);
  const kept = {
    ...stanza(`<message from="a@b.example" to="x@${DOMAIN}" id="m"/>`),
    kept: { queue: 1, ticket: 1, since: 0 },
  };
  expect(early.home.deliver('b.example', kept)).toBe('none');
  expect(early.home.deliver('b.example', stanza(`<iq from="b.example" to="${DOMAIN}" type="get" id="i"/>`))).toBe(
    'more',
  );
  await early.start();
  expect(early.middle.said).toEqual(['undeliverable i home-unavailable', 'room b.example']);
  expect(early.home.deliver('b.example', kept)).toBe('more');
  expect(early.middle.said.at(-1)).toBe('undeliverable m user-unknown');
  await early.close();
});
