import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RawPeer } from '../../xmpp/testing/raw-peer.fixture.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import type { Flow } from './flow.ts';
import type { FlowsOptions } from './flows.ts';
import { Certificates, closeAll, rawPeer, rawTlsPeer, request, side } from './testing/net.fixture.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.create();
  await certificates.add('home.example');
});
afterEach(closeAll);

const local = { host: '127.0.0.1', port: 0 };

/** A listener whose clock the test moves, and a peer on it that is known. */
async function heard(options: Partial<FlowsOptions> = {}) {
  const clock = new FakeClock();
  const home = side(certificates, { clock, random: () => 0, ...options });
  const at = await home.flows.listen({ ...local, tls: false, admits: () => true });
  const peer = await rawPeer(at);
  await home.user.watch.until(() => home.flows.counters.open.byPeer === 1 || tryAgain(home.user.watch));
  const [flow] = home.flows.flows();
  if (flow === undefined) throw new Error('no flow');
  /** Writes, and waits until the flow has read so much that is incomplete. */
  const trickle = async (text: string): Promise<void> => {
    const before = home.flows.counters.heldBytes;
    peer.write(text);
    await home.user.watch.until(
      () => home.flows.counters.heldBytes === before + text.length || tryAgain(home.user.watch),
    );
  };
  return { clock, home, at, peer, flow, trickle };
}

/** Nobody tells the watch of what it waits for. */
function tryAgain(watch: { changed(): void }): false {
  setImmediate(() => watch.changed());
  return false;
}

/** A flow that we opened, to a peer that the test speaks for. */
async function opened(options: Partial<FlowsOptions> = {}) {
  const server = createServer();
  server.listen(local);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const clock = new FakeClock();
  const home = side(certificates, { clock, random: () => 0, ...options });
  const target = { host: '127.0.0.1', port, tls: false, name: 'pbx', localName: 'home.example' };
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const [flow, [socket]] = await Promise.all([home.flows.connect(target), accepted]);
  server.close();
  return { clock, home, flow, peer: new RawPeer(socket) };
}

describe('A peer that connects', () => {
  it('and says nothing is let go after ten seconds', async () => {
    const { clock, home, peer } = await heard();
    clock.advance(9_000);
    expect(home.flows.counters.ended['no-message']).toBe(0);
    clock.advance(1_000);
    await peer.over();
    expect(await home.user.whyOver()).toBe('The peer connected and sent no message.');
  });

  it('and sends nothing but pings is let go as well', async () => {
    const { clock, home, peer } = await heard();
    peer.write('\r\n\r\n');
    await peer.read(/^\r\n$/);
    clock.advance(10_000);
    expect(await home.user.whyOver()).toBe('The peer connected and sent no message.');
  });

  it('and sends header after header is let go ten seconds after the first byte', async () => {
    const { clock, home, peer, trickle } = await heard();
    peer.write(request());
    await home.user.next();
    clock.advance(60_000);
    await trickle('OPTIONS sip:home.example SIP/2.0\r\n');
    for (let second = 1; second < 10; second++) {
      clock.advance(1_000);
      await trickle(`X-${second}: y\r\n`);
    }
    expect(home.flows.counters.open.byPeer).toBe(1);
    clock.advance(1_000);
    await peer.over();
    expect(await home.user.whyOver()).toBe('The peer did not finish a message.');
    expect(home.flows.counters).toMatchObject({ ended: { incomplete: 1 }, heldBytes: 0 });
  });

  it('has ten seconds for each message anew', async () => {
    const { clock, home, peer, trickle } = await heard();
    const [one, two] = [request({ body: 'one' }), request({ body: 'two' })];
    await trickle(one.slice(0, 40));
    clock.advance(9_000);
    peer.write(one.slice(40) + two.slice(0, 50));
    await home.user.next();
    clock.advance(9_000);
    peer.write(two.slice(50));
    expect((await home.user.next()).message.body.toString()).toBe('two');
    clock.advance(60_000);
    expect(home.user.ended).toEqual([]);
  });

  it('and falls silent for good is let go; pings of its own keep it', async () => {
    const { clock, home, peer } = await heard({ limits: { idleMs: 60_000 } });
    peer.write(request());
    await home.user.next();
    clock.advance(50_000);
    peer.write('\r\n\r\n');
    await peer.read(/^\r\n$/);
    clock.advance(50_000);
    expect(home.user.ended).toEqual([]);
    clock.advance(10_000);
    expect(await home.user.whyOver()).toBe('Nothing came for long.');
  });

  it('and floods blank lines is cut off', async () => {
    const { home, peer } = await heard({ limits: { blankLines: 20 } });
    peer.write('\r\n'.repeat(21));
    await peer.over();
    expect(await home.user.whyOver()).toBe('The peer floods keep-alives.');
  });

  it('has to finish the handshake within five seconds', async () => {
    const clock = new FakeClock();
    const home = side(certificates, { clock });
    const at = await home.flows.listen({ ...local, tls: true });
    const peer = await rawPeer(at);
    await home.user.watch.until(() => clock.pending === 2 || tryAgain(home.user.watch));
    clock.advance(4_999);
    expect(home.user.refused).toEqual([]);
    clock.advance(1);
    await peer.over();
    await home.user.watch.until(() => home.user.refused[0] === 'handshake-timeout');
    expect(home.flows.counters).toMatchObject({ open: { byPeer: 0 }, refused: { 'handshake-timeout': 1 } });
  });

  it('and goes without a word is noticed', async () => {
    const { home, peer } = await heard();
    peer.cut();
    expect(await home.user.whyOver()).toMatch(/^The connection broke\. .*ECONNRESET/);
  });

  it('may send in fragments of any size over TLS', async () => {
    const home = side(certificates);
    const at = await home.flows.listen({ ...local, tls: true });
    const peer = await rawTlsPeer(at, { servername: 'home.example' });
    peer.socket.setNoDelay(true);
    const bodies = ['', 'a\r\n\r\nb', 'x'.repeat(20_000)];
    for (const byte of request({ body: 'a' })) peer.write(byte);
    peer.write(bodies.map((body) => request({ body })).join('\r\n\r\n'));
    await home.user.watch.until(() => home.user.messages.length === 4);
    expect(home.user.messages.map(({ message }) => message.body.toString())).toEqual(['a', ...bodies]);
    await peer.read(/^\r\n\r\n$/);
  });
});

describe('A message that cannot be delimited', () => {
  it.each<[why: string, sent: string, answer: RegExp, ending: string]>([
    ['without a length', request({ length: '' }), /^SIP\/2\.0 400 .*Content-Length/, 'malformed'],
    ['over the limit', request({ length: 'l: 999999\r\n' }), /^SIP\/2\.0 513 The body has more/, 'too-big'],
  ])('is answered once where it can be, %s, and the flow ends', async (_, sent, answer, ending) => {
    const { home, peer } = await heard();
    peer.write(sent + request());
    await peer.over();
    expect(peer.text).toMatch(answer);
    const repeated = ['Via: SIP/2.0/TLS sip.partner', 'From: <sip:a@partner', 'To: <sip:home', 'CSeq: 1 OPTIONS'];
    for (const line of repeated) expect(peer.text).toContain(`\r\n${line}`);
    expect(peer.text.match(/SIP\/2\.0 \d/g)).toHaveLength(1);
    await home.user.whyOver();
    expect([home.user.messages, home.flows.counters.ended[ending as 'malformed']]).toEqual([[], 1]);
  });

  it.each<[why: string, sent: string]>([
    ['an ACK', request({ method: 'ACK', length: '' })],
    ['a response', 'SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS x;branch=z9hG4bK1\r\n\r\n'],
    ['a request whose Via cannot be read', 'BYE sip:x SIP/2.0\r\nVia: ???\r\n\r\n'],
    ['something without a Via', 'GET / HTTP/1.1\r\nHost: home.example\r\n\r\n'],
    ['what is no SIP at all', 'Hello\r\nl: 0\r\n\r\n'],
  ])('meets silence where it is %s', async (_, sent) => {
    const { home, peer } = await heard();
    peer.write(sent);
    await peer.over();
    expect(peer.text).toBe('');
    expect(await home.user.whyOver()).toMatch(/^The peer sent what is no SIP message\. /);
  });

  it('holds no connection open: a peer that goes on writing is cut off', async () => {
    const { clock, home, peer } = await heard();
    peer.socket.on('end', () => peer.write('more'));
    peer.socket.allowHalfOpen = true;
    peer.write(request({ length: '' }));
    await peer.over();
    expect(home.user.ended).toEqual([]);
    clock.advance(2_000);
    expect(await home.user.whyOver()).toMatch(/no Content-Length/);
  });
});

describe('A flow whose user fails at a message', () => {
  it('is ended, and no other', async () => {
    let calls = 0;
    const fails = (): never => {
      calls++;
      throw new TypeError('unforeseen');
    };
    const ended: string[] = [];
    const closed = Promise.withResolvers<void>();
    const user = {
      message: fails,
      closed: (_: Flow, why: string) => {
        ended.push(why);
        closed.resolve();
      },
    };
    const { home, peer } = await heard({ user });
    peer.write(request() + request());
    await closed.promise;
    expect([calls, ended]).toEqual([1, ['The gateway itself failed at a message. TypeError: unforeseen']]);
    expect(home.flows.counters.ended.internal).toBe(1);
  });
});

describe('What waits in memory', () => {
  it('to be read by the peer is bounded: past that the flow is ended', async () => {
    const { home, peer, flow } = await heard({ limits: { backlogBytes: 1_000_000 } });
    peer.socket.pause();
    const kilobyte = Buffer.alloc(1_000, 'x');
    for (let sent = 0; sent < 1_000; sent++) flow.send(kilobyte);
    expect([flow.open, flow.backlog]).toEqual([true, 1_000_000]);
    flow.send(Buffer.of(0));
    expect(flow.open).toBe(false);
    expect(await home.user.whyOver()).toBe('The peer does not read what is sent.');
  });

  it('to be read by the peer may not wait for long where nothing of it is taken', async () => {
    const limits = { backlogBytes: 100_000_000, unreadMs: 30_000 };
    const { clock, home, peer, flow } = await heard({ limits });
    peer.socket.pause();
    peer.write(request());
    await home.user.next();
    // More than the kernel takes for a peer that does not read.
    for (let megabytes = 0; megabytes < 30; megabytes++) flow.send(Buffer.alloc(1_000_000, 'x'));
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(flow.backlog).toBeGreaterThan(0);
    clock.advance(29_000);
    expect(flow.open).toBe(true);
    clock.advance(2_000);
    expect(await home.user.whyOver()).toBe('The peer does not read what is sent.');
  });

  it('of incomplete messages is bounded over all flows, and who holds most of it goes first', async () => {
    const { home, at, flow, trickle } = await heard({ limits: { heldBytes: 200 } });
    await trickle(request().slice(0, 150));
    const second = await rawPeer(at);
    second.write(request().slice(0, 60));
    expect(await home.user.whyOver()).toMatch(/^Too many incomplete messages/);
    expect([flow.open, home.flows.counters.heldBytes, home.flows.counters.open.byPeer]).toEqual([false, 60, 1]);
  });
});

describe('A flow that we opened', () => {
  const keepAlive = { intervalMs: 100_000, pongMs: 10_000 };

  it('is pinged, and is dead when a peer that has answered does so no more', async () => {
    const { clock, home, flow, peer } = await opened({ keepAlive });
    clock.advance(80_000);
    await peer.read(/^\r\n\r\n$/);
    peer.write(`\r\n${request()}`);
    await home.user.next();
    clock.advance(80_000);
    await peer.read(/^\r\n\r\n$/);
    clock.advance(9_000);
    expect(flow.open).toBe(true);
    clock.advance(1_000);
    expect(flow.open).toBe(false);
    expect(await home.user.whyOver()).toBe('The peer answers no keep-alive.');
  });

  it('is dead at the first silence where an answer is demanded', async () => {
    const { clock, home, peer } = await opened({ keepAlive: { ...keepAlive, pong: 'demanded' } });
    clock.advance(80_000);
    await peer.read(/^\r\n\r\n$/);
    clock.advance(10_000);
    expect(await home.user.whyOver()).toBe('The peer answers no keep-alive.');
  });

  it('need not be answered on at once, and is let go when nothing comes for long', async () => {
    const { clock, home, flow } = await opened({ limits: { idleMs: 60_000 } });
    clock.advance(59_000);
    expect(flow.open).toBe(true);
    clock.advance(1_000);
    expect(flow.open).toBe(false);
    expect(await home.user.whyOver()).toBe('Nothing came for long.');
  });
});

describe('Time', () => {
  it('is not watched where there is no flow', async () => {
    const { clock, home, peer } = await heard();
    peer.cut();
    await home.user.whyOver();
    // The look at the event loop is what remains.
    expect(clock.pending).toBe(1);
    await home.flows.close();
    expect(clock.pending).toBe(0);
  });

  it('of the event loop says when to shed', async () => {
    const { home } = await heard({ overload: { shedMs: 0 } });
    expect(home.flows.overloaded()).toBe(false);
    const { clock, home: late } = await heard({ overload: { shedMs: 0 } });
    clock.advance(100);
    expect(late.flows.overloaded()).toBe(true);
  });
});
