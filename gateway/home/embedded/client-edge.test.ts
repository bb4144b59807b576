import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientWorld, DOMAIN } from './testing/client-world.fixture.ts';
import { base64, header, RawClient } from './testing/raw-client.fixture.ts';

let world: ClientWorld;

beforeAll(async () => {
  world = await ClientWorld.start({ over: ['starttls', 'direct'] });
  await world.accounts.add('juliet', DOMAIN, 'wherefore');
  await world.accounts.add('romeo', DOMAIN, 'art thou');
});

afterAll(() => world.close());

const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const juliet = async (): Promise<RawClient> => (await RawClient.secure(world.port())).signIn('juliet', 'wherefore');
const streamError = (condition: string): RegExp => new RegExp(`<stream:error><${condition} .*</stream:stream>`);

describe('before signing in', () => {
  it('nothing but TLS is offered in clear', async () => {
    const client = await RawClient.connect(world.port());
    const features = await client.open();
    expect(features).toContain('<required/>');
    expect(features).not.toMatch(/mechanism|bind/);
    client.cut();
  });

  it.each([
    [
      'signs in without TLS',
      `<auth ${SASL} mechanism='SCRAM-SHA-1'>biwsbj11LHI9YQ==</auth>`,
      'unsupported-stanza-type',
    ],
    ['sends a stanza', "<message to='romeo@home.example'/>", 'not-authorized'],
    ['resumes', "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", undefined],
    ['binds', "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", 'not-authorized'],
    ['sends what is no XML', '<a><b></a>', 'not-well-formed'],
    ['sends a comment', '<!-- hidden -->', 'restricted-xml'],
    ['sends more than it may', `<auth ${SASL}>${'A'.repeat(70_000)}`, 'policy-violation'],
    [
      'sends an element larger than a handshake needs',
      `<auth ${SASL}>${'A'.repeat(12_000)}</auth>`,
      'policy-violation',
    ],
  ])('a client in clear that %s gets nowhere', async (_what, text, condition) => {
    const client = await RawClient.connect(world.port());
    await client.open();
    client.write(text);
    await client.read(condition === undefined ? /<failed .*unexpected-request/ : streamError(condition));
    expect(world.edge.load.sessions).toBe(0);
    client.cut();
  });

  it('bytes hidden behind STARTTLS end the stream', async () => {
    const client = await RawClient.connect(world.port());
    await client.open();
    client.write(`${STARTTLS}<iq type='set' id='evil'/>`);
    await client.read(streamError('policy-violation'));
    expect(client.peer.text).not.toContain('<proceed');
  });

  it('a line feed behind STARTTLS is none', async () => {
    const client = await RawClient.connect(world.port());
    await client.open();
    client.write(`${STARTTLS}\n`);
    await client.read(/<proceed /);
    client.cut();
  });

  it.each([
    ['a domain that is not ours', header('elsewhere.example'), 'host-unknown'],
    ['no version', header().replace("' version='1.0'>", "'>"), 'unsupported-version'],
    ['another content namespace', header().replace('jabber:client', 'jabber:server'), 'invalid-namespace'],
  ])('a stream with %s is refused', async (_what, opening, condition) => {
    const client = await RawClient.connect(world.port());
    client.write(opening);
    await client.read(streamError(condition));
  });

  it('whoever takes too long is sent away', async () => {
    const slow = await ClientWorld.start({ options: { authTimeoutMs: 1 } });
    const client = await RawClient.connect(slow.port());
    client.write(header());
    await client.read(streamError('connection-timeout'));
    await slow.close();
  });

  it('whoever says nothing to the TLS handshake is dropped', async () => {
    const slow = await ClientWorld.start({ over: ['direct'], options: { authTimeoutMs: 1 } });
    const client = await RawClient.connect(slow.port('direct'));
    await client.peer.over();
    expect(client.peer.text).toBe('');
    await slow.close();
  });
});

describe('signing in', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('binds to the channel of %s', async (tls) => {
    const client = await RawClient.secure(world.port(), { tls });
    const features = await client.open();
    const type = tls === 'TLSv1.3' ? 'tls-exporter' : 'tls-unique';
    expect([...client.bindings.keys()]).toEqual([type, 'tls-server-end-point']);
    expect([...features.matchAll(/<channel-binding type='([^']*)'/g)].map(([, name]) => name)).toEqual([
      type,
      'tls-server-end-point',
    ]);
    expect(await client.authenticate('juliet', 'wherefore')).toContain('<success');
    client.cut();
  });

  it('binds to the certificate of the server', async () => {
    const client = await RawClient.secure(world.port());
    await client.open();
    const endPoint = [...client.bindings].filter(([type]) => type === 'tls-server-end-point');
    expect(await client.authenticate('juliet', 'wherefore', { bindings: new Map(endPoint) })).toContain('<success');
    client.cut();
  });

  it('works over direct TLS, and without channel binding', async () => {
    const client = await RawClient.connect(world.port('direct'), { direct: true });
    const features = await client.open();
    expect(features).not.toContain('<starttls');
    const offered = ['SCRAM-SHA-1', 'SCRAM-SHA-1-PLUS'];
    expect(await client.authenticate('juliet', 'wherefore', { bindings: new Map(), offered })).toContain('<success');
    client.cut();
  });

  it('fails where somebody hid the channel binding from the client', async () => {
    const client = await RawClient.secure(world.port());
    await client.open();
    expect(await client.authenticate('juliet', 'wherefore', { offered: ['SCRAM-SHA-256'] })).toContain(
      'not-authorized',
    );
    client.cut();
  });

  it('fails alike with a wrong password and for an unknown user, and sends away who keeps trying', async () => {
    const client = await RawClient.secure(world.port());
    await client.open();
    const wrong = await client.authenticate('romeo', 'wrong');
    const unknown = await client.authenticate('ghost', 'wrong');
    expect(wrong).toContain('<not-authorized/>');
    expect(unknown).toBe(wrong);
    expect(await client.authenticate('romeo', 'wrong')).toContain('<not-authorized/>');
    await client.read(streamError('policy-violation'));
    const noted = world.journal.of({ reason: 'authentication-failed', account: `romeo@${DOMAIN}` });
    expect(noted.length).toBeGreaterThan(0);
    expect(JSON.stringify(world.journal.entries)).not.toContain('"wrong"');
  });

  it('is locked out after failures, the right password too, until the time is over', async () => {
    await world.accounts.add('mercutio', DOMAIN, 'a plague');
    for (let n = 0; n < 5; n++) {
      const client = await RawClient.secure(world.port());
      await client.open();
      await client.authenticate('mercutio', 'wrong');
      client.cut();
    }
    const client = await RawClient.secure(world.port());
    await client.open();
    expect(await client.authenticate('mercutio', 'a plague')).toContain('<temporary-auth-failure/>');
    world.clock.now += 60_000;
    expect(await client.authenticate('mercutio', 'a plague')).toContain('<success');
    client.cut();
  });

  it.each([
    ['PLAIN', `<auth ${SASL} mechanism='PLAIN'>${base64('\0juliet\0wherefore')}</auth>`, 'invalid-mechanism'],
    ['no base64', `<auth ${SASL} mechanism='SCRAM-SHA-1'>!</auth>`, 'incorrect-encoding'],
    ['no SCRAM', `<auth ${SASL} mechanism='SCRAM-SHA-1'>AAAA</auth>`, 'malformed-request'],
    ['a response to nothing', `<response ${SASL}/>`, 'malformed-request'],
    ['an abort', `<abort ${SASL}/>`, 'aborted'],
  ])('is refused with %s', async (_what, text, condition) => {
    const client = await RawClient.secure(world.port());
    await client.open();
    client.write(text);
    await client.read(new RegExp(`<failure ${SASL}><${condition}/></failure>`));
    client.cut();
  });

  it('asks a client that sends no initial response', async () => {
    const client = await RawClient.secure(world.port());
    await client.open();
    client.write(`<auth ${SASL} mechanism='SCRAM-SHA-1'/>`);
    await client.read(/<challenge xmlns='[^']*'\/>/);
    client.write(`<response ${SASL}>${base64('n,,n=juliet,r=abc')}</response>`);
    expect(await client.read(/<challenge [^>]*>[^<]+</)).toBeTruthy();
    client.cut();
  });
});

describe('a signed-in client', () => {
  beforeEach(() => {
    world.users.received.length = 0;
  });

  it('binds, and its stanzas are stamped and nothing else of them is changed', async () => {
    const client = await juliet();
    expect(client.features).toMatch(/<bind .*<session .*<optional\/>.*<sm /);
    expect(await client.bind('balcony')).toBe(`juliet@${DOMAIN}/balcony`);
    client.write("<message to='romeo@home.example' id='m1'><body>hi</body></message>");
    await world.users.ids(1);
    const { stanza } = world.users.received[0] as (typeof world.users.received)[0];
    expect(stanza).toMatchObject({ from: `juliet@${DOMAIN}/balcony`, to: `romeo@${DOMAIN}`, id: 'm1' });
    expect(stanza.bytes.toString()).toBe(
      "<message from='juliet@home.example/balcony' to='romeo@home.example' id='m1'><body>hi</body></message>",
    );
    client.write('</stream:stream>');
    await client.read(/<\/stream:stream>/);
    await world.users.watch.until(() => world.users.sessions.size === 0);
  });

  it('is given a resource where it wants none, and told where it wants an impossible one', async () => {
    const client = await juliet();
    const bind = (inner: string): string =>
      `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${inner}</bind></iq>`;
    client.write(bind(`<resource>${'x'.repeat(1024)}</resource>`));
    await client.read(/<iq type='error' id='b'>.*<bad-request .*<\/iq>/);
    expect(await client.bind()).toMatch(/^juliet@home\.example\/[0-9a-f]{16}$/);
    client.cut();
  });

  it('is sent away when it keeps asking for what it cannot be', async () => {
    const client = await (await RawClient.secure(world.port())).signIn('juliet', 'wherefore');
    client.write("<iq type='get' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>".repeat(100));
    const refused = await client.read(streamError('policy-violation'));
    expect(refused.match(/<bad-request /g)).toHaveLength(5);
  });

  it('takes the place of another with the same resource', async () => {
    const [one, two] = [await juliet(), await juliet()];
    await one.bind('same');
    expect(await two.bind('same')).toBe(`juliet@${DOMAIN}/same`);
    await one.read(streamError('conflict'));
    expect(world.users.closedSessions.at(-1)?.session.jid).toBe(`juliet@${DOMAIN}/same`);
    two.write("<presence id='still'/>");
    expect(await world.users.ids(1)).toEqual(['still']);
    two.cut();
  });

  it('may not be there more often than a user may', async () => {
    const clients = [];
    for (let n = 0; n < 5; n++) {
      const client = await (await RawClient.secure(world.port())).signIn('romeo', 'art thou');
      await client.bind();
      clients.push(client);
    }
    const sixth = await (await RawClient.secure(world.port())).signIn('romeo', 'art thou');
    expect(await sixth.bind()).toMatch(/<error type='wait'><resource-constraint /);
    for (const client of [...clients, sixth]) client.cut();
  });

  it.each([
    ['its full JID', "from='juliet@home.example/r'"],
    ['its bare JID in another spelling', "from='JULIET@Home.Example'"],
  ])('may name itself by %s', async (_what, from) => {
    const client = await juliet();
    const jid = await client.bind('r');
    client.write(`<presence id='p' ${from}/>`);
    await world.users.ids(1);
    expect(world.users.received[0]?.stanza.bytes.toString()).toBe(`<presence from='${jid}' id='p'/>`);
    client.cut();
  });

  it.each([
    ['another user', "<message from='romeo@home.example'/>", 'invalid-from'],
    ['another resource', "<message from='juliet@home.example/other'/>", 'invalid-from'],
    ['no address', "<message from='@'/>", 'invalid-from'],
  ])('that poses as %s loses its stream', async (_what, text, condition) => {
    const client = await juliet();
    await client.bind('r');
    client.write(text);
    await client.read(streamError(condition));
    expect(world.users.received).toEqual([]);
  });

  it.each([
    ['a stanza before a resource is bound', "<message to='romeo@home.example'/>", 'not-authorized'],
    ['what is no stanza', "<thing xmlns='urn:thing'/>", 'unsupported-stanza-type'],
    ['STARTTLS once more', STARTTLS, 'policy-violation'],
    ['SASL once more', `<auth ${SASL} mechanism='SCRAM-SHA-1'/>`, 'unsupported-stanza-type'],
    ['a header once more', header(), 'restricted-xml'],
  ])('that sends %s loses its stream', async (_what, text, condition) => {
    const client = await juliet();
    client.write(text);
    await client.read(streamError(condition));
  });

  it('opens its stream to the domain it signed in to', async () => {
    const two = await ClientWorld.start({ domains: [DOMAIN, 'other.example'] });
    await two.accounts.add('juliet', DOMAIN, 'wherefore');
    const client = await RawClient.secure(two.port());
    await client.open();
    await client.authenticate('juliet', 'wherefore');
    client.write(header('other.example'));
    await client.read(streamError('host-unknown'));
    await two.close();
  });

  it('is asked when it is silent, and dropped when it does not answer', async () => {
    const client = await juliet();
    await client.bind('silent');
    const now = Date.now();
    world.edge.lookOver(now + 181_000);
    await client.read(
      /<iq type='get' id='drawbridge-ping-[^']*' from='home.example' to='juliet@home.example\/silent'>/,
    );
    world.edge.lookOver(now + 181_000 + 61_000);
    await client.peer.over();
    await world.users.watch.until(() => world.users.closedSessions.at(-1)?.session.address.resource === 'silent');
  });

  it('is spared when it answers, and its answer goes nowhere', async () => {
    const client = await juliet();
    await client.bind('lively');
    world.edge.lookOver(Date.now() + 181_000);
    const ping = await client.read(/<iq type='get' id='drawbridge-ping-[^']*'/);
    const id = / id='([^']*)'/.exec(ping)?.[1];
    client.write(`<iq type='result' id='${id}' to='home.example'/><presence id='p'/>`);
    expect(await world.users.ids(1)).toEqual(['p']);
    client.cut();
  });

  it('is read no further while the middle has no room', async () => {
    const client = await juliet();
    const jid = await client.bind();
    const session = await world.users.session(jid);
    world.users.onStanza = () => session.pause();
    client.write("<presence id='1'/>");
    await world.users.ids(1);
    world.users.onStanza = () => {};
    client.write("<presence id='2'/>");
    session.resume();
    expect(await world.users.ids(2)).toEqual(['1', '2']);
    client.cut();
  });

  it('is read no further while too much of it is not kept', async () => {
    const slow = await ClientWorld.start();
    await slow.accounts.add('juliet', DOMAIN, 'wherefore');
    const [client, other] = [await RawClient.secure(slow.port()), await RawClient.secure(slow.port())];
    for (const one of [client, other]) {
      await one.signIn('juliet', 'wherefore');
      await one.bind();
    }
    slow.users.stall();
    const text = 'x'.repeat(50_000);
    for (let n = 0; n < 60; n++) client.write(`<message id='m'><body>${text}</body></message>`);
    const taken = (id: string): number => slow.users.received.filter(({ stanza }) => stanza.id === id).length;
    // Time enough to read all of it, did it.
    for (let n = 1; n <= 50; n++) {
      other.write("<presence id='p'/>");
      await slow.users.watch.until(() => taken('p') === n);
    }
    expect(taken('m')).toBeLessThan(20);
    slow.users.proceed();
    await slow.users.watch.until(() => taken('m') === 60);
    for (const one of [client, other]) one.cut();
    await slow.close();
  });

  it('is sent away when its user is removed or has a new password', async () => {
    await world.accounts.add('tybalt', DOMAIN, 'villain');
    const client = await (await RawClient.secure(world.port())).signIn('tybalt', 'villain');
    await client.bind();
    await world.accounts.setPassword('tybalt', DOMAIN, 'king of cats');
    world.edge.lookOver(Date.now());
    await client.read(streamError('not-authorized'));
  });

  // Whoever knows an old password could else wait here for it to be changed, and stay.
  it.each([
    ['bind', "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"],
    ['resume', "<resume xmlns='urn:xmpp:sm:3' previd='any' h='0'/>"],
  ])('is sent away when it comes to %s after its password was changed', async (what, xml) => {
    const name = `paris-${what}`;
    await world.accounts.add(name, DOMAIN, 'county');
    const client = await (await RawClient.secure(world.port())).signIn(name, 'county');
    await world.accounts.setPassword(name, DOMAIN, 'sweet flower');
    world.edge.lookOver(Date.now());
    client.write(xml);
    await client.read(streamError('not-authorized'));
    expect([...world.users.sessions.keys()].join()).not.toContain(name);
  });
});

it('closes its streams and says why', async () => {
  const closing = await ClientWorld.start();
  await closing.accounts.add('juliet', DOMAIN, 'wherefore');
  const client = await (await RawClient.secure(closing.port())).signIn('juliet', 'wherefore');
  await client.bind();
  const stranger = await RawClient.connect(closing.port());
  await stranger.open();
  const closed = closing.close();
  await client.read(streamError('system-shutdown'));
  await stranger.read(/<\/stream:stream>/);
  stranger.write('</stream:stream>');
  await closed;
  expect(closing.users.closedSessions.length).toBe(1);
});
