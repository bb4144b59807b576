import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Watch } from '../../xmpp/testing/watch.fixture.ts';
import { ScramClient } from './scram-client.ts';
import { ClientWorld, DOMAIN } from './testing/client-world.fixture.ts';
import { base64 } from './testing/raw-client.fixture.ts';

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'";
const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const OPEN = `<open ${FRAMING} to='${DOMAIN}' version='1.0' xml:lang='de'/>`;

let world: ClientWorld;

beforeAll(async () => {
  world = await ClientWorld.start({ over: ['websocket', 'websocket-clear'] });
  await world.accounts.add('juliet', DOMAIN, 'wherefore');
});

afterAll(() => world.close());

/** A client of which a test sees and says every frame. */
class Frames {
  readonly socket: WebSocket;
  readonly frames: string[] = [];
  code: number | undefined;
  readonly #watch = new Watch();
  #read = 0;

  static async connect(over: 'websocket' | 'websocket-clear' = 'websocket', headers = {}): Promise<Frames> {
    const scheme = over === 'websocket' ? 'wss' : 'ws';
    const options = { rejectUnauthorized: false, headers };
    const socket = new WebSocket(`${scheme}://127.0.0.1:${world.port(over)}/`, 'xmpp', options);
    const frames = new Frames(socket);
    await once(socket, 'open');
    return frames;
  }

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {}); // `close` follows
    socket.on('message', (data: Buffer) => {
      this.frames.push(data.toString());
      this.#watch.changed();
    });
    socket.on('close', (code) => {
      this.code = code;
      this.#watch.changed();
    });
  }

  write(frame: string): void {
    this.socket.send(frame);
  }

  /** The next frame, which must match. */
  async read(pattern: RegExp): Promise<string> {
    const frame = await this.#watch.until(() => {
      if (this.frames[this.#read] === undefined && this.code !== undefined) throw new Error(`${pattern} did not come`);
      return this.frames[this.#read];
    });
    this.#read++;
    expect(frame).toMatch(pattern);
    return frame;
  }

  over(): Promise<number> {
    return this.#watch.until(() => this.code);
  }

  async open(): Promise<string> {
    this.write(OPEN);
    await this.read(/^<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='home.example' .*version='1.0'.*\/>$/);
    return this.read(/^<stream:features xmlns:stream='http:\/\/etherx.jabber.org\/streams'>.*<\/stream:features>$/);
  }

  async signIn(): Promise<this> {
    const features = await this.open();
    const offered = [...features.matchAll(/<mechanism>([^<]*)</g)].map(([, name = '']) => name);
    const login = { username: 'juliet', password: 'wherefore', offered, bindings: new Map() };
    const scram = new ScramClient(login);
    this.write(`<auth ${SASL} mechanism='${scram.mechanism}'>${base64(scram.first())}</auth>`);
    const challenge = content(await this.read(/<challenge /));
    this.write(`<response ${SASL}>${base64(await scram.final(challenge))}</response>`);
    scram.verify(content(await this.read(/<success /)));
    await this.open();
    return this;
  }

  async bind(resource: string): Promise<this> {
    const wanted = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`;
    this.write(`<iq xmlns='jabber:client' type='set' id='b'>${wanted}</iq>`);
    await this.read(new RegExp(`^<iq xmlns='jabber:client' type='result' id='b'>.*/${resource}</jid>`));
    return this;
  }
}

const content = (element: string): string => Buffer.from(/>([^<]*)<\//.exec(element)?.[1] ?? '', 'base64').toString();

describe.each(['websocket', 'websocket-clear'] as const)('over %s', (over) => {
  it('a client signs in, binds and sends, one element a frame', async () => {
    const client = await (await (await Frames.connect(over)).signIn()).bind(over);
    client.write(`<message xmlns='jabber:client' id='${over}' to='x@${DOMAIN}'><body>hi</body></message>`);
    await world.users.watch.until(() => world.users.received.some(({ stanza }) => stanza.id === over));
    const stanza = world.users.received.find(({ stanza: { id } }) => id === over)?.stanza;
    // Portable: its language is that of the stream, and its namespace that of the next one.
    expect(stanza?.bytes.toString()).toBe(
      `<message from='juliet@${DOMAIN}/${over}' xml:lang="de"  id='${over}' to='x@${DOMAIN}'><body>hi</body></message>`,
    );
    const session = await world.users.session(`juliet@${DOMAIN}/${over}`);
    if (stanza) session.send(stanza);
    await client.read(/^<message xmlns='jabber:client' from='juliet@home.example\/.*<body>hi<\/body><\/message>$/);
    client.write(`<close ${FRAMING}/>`);
    await client.read(/^<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'\/>$/);
    expect(await client.over()).toBe(1000);
    await world.users.watch.until(() => !world.users.sessions.has(session.jid));
  });
});

describe('a WebSocket', () => {
  it('offers channel binding, and no STARTTLS', async () => {
    const client = await Frames.connect();
    const features = await client.open();
    expect(features).toContain("<channel-binding type='tls-exporter'/>");
    expect(features).not.toContain('<starttls');
    client.socket.terminate();
  });

  it.each([
    ['two elements', `${OPEN}${OPEN}`, 'bad-format'],
    ['half an element', "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'", 'bad-format'],
    ['nothing', ' ', 'bad-format'],
    ['a stream header', "<stream:stream xmlns='jabber:client'>", 'not-well-formed'],
    ['no XML', '<a></b>', 'not-well-formed'],
    ['an XML declaration', `<?xml version='1.0'?>${OPEN}`, 'restricted-xml'],
    ['a stanza before it is open', "<iq xmlns='jabber:client' type='get' id='1'/>", 'bad-format'],
    ['more than a handshake needs', `<open ${FRAMING} id='${'x'.repeat(12_000)}'/>`, 'policy-violation'],
    ['more than it may before it signs in', 'x'.repeat(100_000), 'policy-violation'],
    ['a domain that is not ours', OPEN.replace(DOMAIN, 'elsewhere.example'), 'host-unknown'],
  ])('is closed after a frame with %s', async (_what, frame, condition) => {
    const client = await Frames.connect();
    client.write(frame);
    await client.over();
    const error = client.frames.find((sent) => sent.startsWith('<stream:error'));
    expect(error).toContain(`<stream:error xmlns:stream='http://etherx.jabber.org/streams'><${condition} `);
    expect(client.frames.at(-1)).toBe(`<close ${FRAMING}/>`);
  });

  it('is closed after a binary frame', async () => {
    const client = await Frames.connect();
    client.socket.send(Buffer.from(OPEN), { binary: true });
    await client.over();
    expect(client.frames.join('')).toContain('<bad-format ');
  });

  it('is closed after a frame larger than any stanza may be', async () => {
    const client = await Frames.connect();
    client.write('x'.repeat(300_000));
    expect(await client.over()).toBe(1009);
  });

  it.each([
    ['no subprotocol', undefined],
    ['another one', ['mqtt']],
  ])('with %s is refused', async (_what, protocols) => {
    const socket = new WebSocket(`wss://127.0.0.1:${world.port('websocket')}/`, protocols ?? [], {
      rejectUnauthorized: false,
    });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('400');
  });

  it('that breaks leaves a session to resume over another', async () => {
    const client = await (await (await Frames.connect()).signIn()).bind('mobile');
    client.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    const id = / id='([^']*)'/.exec(await client.read(/^<enabled /))?.[1];
    client.socket.terminate();
    await world.journal.seen({ event: 'stream-closed', account: `juliet@${DOMAIN}/mobile` });
    const again = await (await Frames.connect()).signIn();
    again.write(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='0'/>`);
    await again.read(/^<resumed /);
    again.write(`<close ${FRAMING}/>`);
    await again.over();
  });
});

it.each([
  ['names', 'websocket-clear', { 'x-forwarded-for': '10.0.0.1, 192.0.2.7' }, '192.0.2.7'],
  ['does not name', 'websocket-clear', {}, ''],
  ['is not there to name', 'websocket', { 'x-forwarded-for': '192.0.2.7' }, '127.0.0.1'],
] as const)('a client whom a proxy %s is known by where it comes from', async (_what, over, headers, address) => {
  const facts = { event: 'stream-refused', address, over: 'websocket' } as const;
  const before = world.journal.of(facts).length;
  const client = await Frames.connect(over, headers);
  client.write(OPEN.replace(DOMAIN, 'elsewhere.example'));
  expect(await world.journal.seen(facts, before + 1)).toMatchObject({ condition: 'host-unknown' });
});

it('clients that a proxy brings are counted one by one, and not as the proxy', async () => {
  const limits = { connections: 10, perAddress: 10, attempts: { count: 2, periodMs: 600_000 } };
  const few = await ClientWorld.start({ over: ['websocket-clear'], limits });
  const comes = async (address: string): Promise<string> => {
    const headers = { 'x-forwarded-for': address };
    const socket = new WebSocket(`ws://127.0.0.1:${few.port('websocket-clear')}/`, 'xmpp', { headers });
    return once(socket, 'open').then(
      () => 'is there',
      (error: Error) => error.message,
    );
  };
  expect([await comes('192.0.2.7'), await comes('192.0.2.7')]).toEqual(['is there', 'is there']);
  expect(await comes('192.0.2.7')).toContain('429');
  expect(few.journal.of({ event: 'connection-refused', address: '192.0.2.7' })).toHaveLength(1);
  expect(await comes('192.0.2.8')).toBe('is there');
  await few.close();
});

it('an HTTP request that is no WebSocket is told so', async () => {
  const response = await fetch(`http://127.0.0.1:${world.port('websocket-clear')}/`);
  expect(response.status).toBe(426);
});

it('whoever opens no WebSocket is dropped', async () => {
  const slow = await ClientWorld.start({ over: ['websocket'], options: { authTimeoutMs: 1 } });
  const socket = connect(slow.port('websocket'), '127.0.0.1');
  await once(socket, 'close');
  await slow.close();
});

it('WebSocket in clear does not leave the machine', async () => {
  const open = ClientWorld.start({ over: ['websocket-clear'], host: '0.0.0.0' });
  await expect(open).rejects.toMatchObject({ code: 'config-invalid' });
});
