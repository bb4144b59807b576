import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { trustFromPem } from '../../../pki/trust.ts';
import type { SipRequest } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import type { OutRequest, Session } from '../port.ts';
import { respondTo, tagged } from '../transaction/response.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import type { Flow } from '../transport/flow.ts';
import { partnerTrunk, type TestStack, type TestStackOptions, TrunkNet } from './testing/trunk-net.fixture.ts';

let net: TrunkNet;
beforeEach(async () => {
  net = await TrunkNet.start();
});
afterEach(() => net.close());

const A = 'a.example';
const B = 'b.example';
const OFFER = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n';
const ANSWER = 'v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n';

type Half = Partial<TestStackOptions>;

async function both(more: { readonly a?: Half; readonly b?: Half } = {}): Promise<{ a: TestStack; b: TestStack }> {
  const a = await net.stack({ domain: A, trunks: [partnerTrunk(B, A)], ...more.a });
  const b = await net.stack({ domain: B, trunks: [partnerTrunk(A, B)], ...more.b });
  net.publish(A, a.port);
  net.publish(B, b.port);
  return { a, b };
}

function message(from = `sip:alice@${A}`, to = `sip:bob@${B}`): OutRequest {
  const body = { type: 'text/plain', content: Buffer.from('Hello') };
  return { method: 'MESSAGE', target: to, from: { uri: from }, to: { uri: to }, body };
}

function trunkOf({ stack }: TestStack, domain: string) {
  const trunk = stack.trunkFor(domain);
  if (trunk === undefined) throw new Error(`no trunk to ${domain}`);
  return trunk;
}

/** A call from one to the other that stands: the sessions of caller and callee. */
async function callBetween(a: TestStack, b: TestStack): Promise<[Session, Session]> {
  const answered = Promise.withResolvers<Session>();
  b.handlers.called = (call) => {
    call.ring({ status: 180 });
    call.answer(ANSWER).then(answered.resolve, answered.reject);
  };
  const result = await trunkOf(a, B).invite({ ...message(), offer: OFFER }).result;
  if (!result.ok) throw new Error(`${result.reply.status} ${result.reply.reason}`);
  expect(result.sdp).toBe(ANSWER);
  return [result.session, await answered.promise];
}

const answering = (status: number, headers: readonly (readonly [string, string])[] = []) =>
  function answer(flow: Flow, request: SipRequest): void {
    const response = tagged(respondTo(request, status), 'peer');
    for (const [name, value] of headers) response.headers.set(name, value);
    if (request.method !== 'ACK') flow.send(serialise(response));
  };

describe('two stacks over mutual TLS', () => {
  it('exchange messages, both ways over one connection (RFC 5923)', async () => {
    const { a, b } = await both();
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200, origin: 'peer' });
    expect(await trunkOf(b, A).request(message(`sip:bob@${B}`, `sip:alice@${A}`))).toMatchObject({ status: 200 });
    const [received] = b.handlers.requests;
    expect(received?.trunk).toBe(trunkOf(b, A));
    expect(received?.body?.content.toString()).toBe('Hello');
    expect([received?.from.uri, received?.target]).toEqual([`sip:alice@${A}`, `sip:bob@${B}`]);
    expect(a.handlers.requests).toHaveLength(1);
    expect([a.stack.counters.flows.open, b.stack.counters.flows.open]).toEqual([
      { byUs: 1, byPeer: 0 },
      { byUs: 0, byPeer: 1 },
    ]);
  });

  it('set a call up and end it', async () => {
    const { a, b } = await both();
    const [caller, callee] = await callBetween(a, b);
    expect([caller.trunk, callee.trunk]).toEqual([trunkOf(a, B), trunkOf(b, A)]);
    await caller.end();
    expect(await caller.ended).toMatchObject({ by: 'us' });
    expect(await callee.ended).toMatchObject({ by: 'peer' });
  });

  it('subscribe, are notified, and end it', async () => {
    const { a, b } = await both();
    b.handlers.subscribed = async ({ event, expires }) => ({
      accept: true,
      expires,
      notifier: (notifier) => void notifier.notify({ type: 'text/plain', content: Buffer.from(event) }),
    });
    const { body: _, ...order } = { ...message(), event: 'presence', expires: 600 };
    const subscribed = await trunkOf(a, B).subscribe(order);
    if (!subscribed.ok) throw new Error(`${subscribed.reply.status}`);
    const told = Promise.withResolvers<string | undefined>();
    subscribed.subscription.onNotify = async ({ body }) => {
      told.resolve(body?.content.toString());
      return { status: 200 };
    };
    expect(await told.promise).toBe('presence');
    await subscribed.subscription.end();
    expect(await subscribed.subscription.ended).toEqual(expect.any(String));
  });

  it('show what the peer may not claim to nobody', async () => {
    const { a, b } = await both();
    const headers = [
      ['P-Asserted-Identity', '<sip:ceo@x.example>'],
      ['P-Asserted-Identity', `<sip:alice@${A}>`],
      ['X-Internal', '1'],
    ] as const;
    await trunkOf(a, B).request({ ...message(), headers });
    const seen = b.handlers.requests[0]?.headers;
    expect([seen?.all('P-Asserted-Identity'), seen?.get('X-Internal')]).toEqual([[], undefined]);
  });

  it('show a sips: target as it was written', async () => {
    const { a, b } = await both();
    await trunkOf(a, B).request(message(undefined, `sips:bob@${B}`));
    expect(b.handlers.requests[0]).toMatchObject({ target: `sips:bob@${B}`, to: { uri: `sips:bob@${B}` } });
  });
});

describe('identity', () => {
  it('of a server that names another domain: nothing is sent', async () => {
    const { a, b } = await both({ b: { certificate: { domains: ['c.example'] } } });
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 503, origin: 'unsent' });
    expect(b.handlers.requests).toEqual([]);
    await trunkOf(a, B).request(message());
    const down = await a.journal.seen({ event: 'trunk-down' });
    expect(down).toMatchObject({ partner: B, detail: 'b.example: The certificate names c.example.' });
    expect(a.handlers.turns).toEqual([`${B} down`]);
    expect(trunkOf(a, B).state).toBe('down');
  });

  it('of a client that names another domain: 403, and the log tells what did not match', async () => {
    const { a, b } = await both({ a: { certificate: { domains: ['c.example'] } } });
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 403, reason: 'Certificate Not Accepted' });
    expect(b.handlers.requests).toEqual([]);
    expect(b.journal.of({ event: 'sip-refused' })).toMatchObject([
      {
        reason: 'certificate-wrong-name',
        nearest: A,
        unmatched: 'certificate',
        method: 'MESSAGE',
        address: '127.0.0.1',
      },
    ]);
  });

  it('of a sender of another domain on a proven trunk: 403', async () => {
    const { a, b } = await both();
    const reply = await trunkOf(a, B).request(message('sip:eve@x.example'));
    expect(reply).toMatchObject({ status: 403, reason: 'Sender Is Not Of This Trunk' });
    expect(b.journal.of({ event: 'sip-refused' })).toMatchObject([
      { reason: 'sender-not-proven', nearest: A, unmatched: 'sender', from: 'sip:eve@x.example' },
    ]);
  });

  it('by certificates for SIP domains alone, as our own pki is the judge (RFC 5924)', async () => {
    const half = (domain: string): Half => ({
      certificate: { domains: [], uris: [`sip:${domain}`], purposes: ['sipDomain'] },
    });
    const { a, b } = await both({ a: half(A), b: half(B) });
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    expect(b.handlers.requests).toHaveLength(1);
  });

  it('by the name that is asked for, where several trunks of one partner share a listener', async () => {
    const C = 'c.example';
    const b = await net.stack({
      domain: B,
      trunks: [partnerTrunk(A, B, { id: 'for b' }), partnerTrunk(A, C, { id: 'for c' })],
      certificate: { domains: [B, C] },
    });
    const a = await net.stack({ domain: A, trunks: [partnerTrunk(B, A), partnerTrunk(C, A)] });
    net.publish(B, b.port);
    net.publish(C, b.port);
    for (const domain of [B, C]) await trunkOf(a, domain).request(message(undefined, `sip:bob@${domain}`));
    expect(b.handlers.requests.map(({ trunk }) => trunk.id)).toEqual(['for b', 'for c']);
  });

  it('by a policy that does not take it: 403', async () => {
    const trust = () => ({ sufficient: false, reason: 'trust-insufficient' }) as const;
    const { a, b } = await both({ b: { more: { trust } } });
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 403, reason: 'Not Accepted By Policy' });
    expect(b.journal.of({ event: 'sip-refused' })).toMatchObject([
      { reason: 'trust-insufficient', unmatched: 'policy' },
    ]);
  });

  it('of our own changes with the next handshake; connections that stand go on', async () => {
    const { a, b } = await both();
    const relay = await net.relay(b.port);
    net.publish(B, relay.port);
    const send = () => trunkOf(a, B).request(message());
    expect(await send()).toMatchObject({ status: 200 });
    b.context = await net.context({ domains: [B] });
    expect(await send()).toMatchObject({ status: 200 });
    expect(relay.taken()).toBe(1);
    const gone = a.handlers.watch.until(() => a.stack.counters.flows.open.byUs === 0);
    relay.cut();
    await poll(a, gone);
    expect(await send()).toMatchObject({ status: 200 });
    expect(relay.taken()).toBe(2);
    b.context = await net.context({ domains: ['c.example'] });
    relay.cut();
    await poll(
      a,
      a.handlers.watch.until(() => a.stack.counters.flows.open.byUs === 0),
    );
    expect(await send()).toMatchObject({ status: 503, origin: 'unsent' });
  });
});

describe('other anchors', () => {
  it('hold at once: whoever they do not vouch for is left, and refused', async () => {
    const { a, b } = await both();
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    b.stack.replaceAnchors(trustFromPem([]));
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 403 });
    expect(b.journal.of({ event: 'sip-refused' })).toMatchObject([{ reason: 'certificate-untrusted', nearest: A }]);
    a.stack.replaceAnchors(trustFromPem([]));
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 503, origin: 'unsent' });
  });
});

/** Looks again at what tells nobody of its change, until it has come. */
async function poll(stack: TestStack, awaited: Promise<unknown>): Promise<void> {
  const timer = setInterval(() => stack.handlers.watch.changed(), 5);
  await awaited.finally(() => clearInterval(timer));
}

describe('failing over (RFC 3263 §4.3)', () => {
  it('goes on where nobody listens, and remembers it', async () => {
    const { a, b } = await both();
    const dead = await net.deadPort();
    net.publish(B, dead, b.port);
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    const [caller] = await callBetween(a, b);
    await caller.end();
    expect(b.handlers.requests).toHaveLength(1);
  });

  it('goes on where TLS never comes to pass', async () => {
    const { a, b } = await both();
    const garbage = await net.server((socket) => socket.end('no TLS here'));
    net.publish(B, garbage, b.port);
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
  });

  it('goes on where 503 is the answer, and spares that target for as long as it asks', async () => {
    const { a, b } = await both();
    let asked = 0;
    const busy = await net.peer(B, (flow, request) => {
      if (request.method !== 'ACK') asked++;
      answering(503, [['Retry-After', '60']])(flow, request);
    });
    net.publish(B, busy, b.port);
    const [caller] = await callBetween(a, b);
    await caller.end();
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    expect(asked).toBe(1);
  });

  it('passes the 503 on where nobody else is left', async () => {
    const { a } = await both();
    net.publish(B, await net.peer(B, answering(503)), await net.deadPort());
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 503, origin: 'peer' });
  });

  it('does not go on where another answer comes', async () => {
    const { a, b } = await both();
    net.publish(B, await net.peer(B, answering(486)), b.port);
    const result = await trunkOf(a, B).invite({ ...message(), offer: OFFER }).result;
    expect(result).toMatchObject({ ok: false, reply: { status: 486, origin: 'peer' } });
    expect(b.handlers.calls).toEqual([]);
  });

  it.each(['PUBLISH', 'INVITE'])('goes on where no answer comes to %s, with a new branch', async (method) => {
    const clock = new FakeClock();
    const { a, b } = await both({ a: { more: { clock } } });
    const heard = Promise.withResolvers<SipRequest>();
    net.publish(B, await net.peer(B, (_, request) => heard.resolve(request)), b.port);
    const trunk = trunkOf(a, B);
    b.handlers.called = (call) => call.refuse({ status: 486 });
    const status =
      method === 'INVITE'
        ? trunk.invite({ ...message(), offer: OFFER }).result.then((result) => (result.ok ? 200 : result.reply.status))
        : trunk.request({ ...message(), method }).then((reply) => reply.status);
    const silent = await heard.promise;
    clock.advance(32_000);
    expect(await status).toBe(method === 'INVITE' ? 486 : 200);
    const [other] = method === 'INVITE' ? b.handlers.calls : b.handlers.requests;
    expect(other?.callId).toBe(silent.callId);
    expect(other?.headers.get('Via')).not.toContain(silent.topVia.branch);
    expect(other?.headers.get('CSeq')).toBe(silent.headers.get('CSeq'));
  });

  it('does not go on with a MESSAGE that may have arrived, but with the next one', async () => {
    const clock = new FakeClock();
    const { a, b } = await both({ a: { more: { clock } } });
    const heard = Promise.withResolvers<void>();
    net.publish(B, await net.peer(B, () => heard.resolve()), b.port);
    const reply = trunkOf(a, B).request(message());
    await heard.promise;
    clock.advance(32_000);
    expect(await reply).toMatchObject({ origin: 'timeout' });
    expect(b.handlers.requests).toEqual([]);
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    expect(b.handlers.requests).toHaveLength(1);
  });

  it('ends where the caller gives up before a connection stands', async () => {
    const { a } = await both();
    const connected = Promise.withResolvers<void>();
    net.publish(B, await net.server(() => connected.resolve()));
    const given = new AbortController();
    const call = trunkOf(a, B).invite({ ...message(), offer: OFFER, signal: given.signal });
    await connected.promise;
    given.abort();
    expect(await call.result).toMatchObject({ ok: false });
    expect(a.stack.counters.transactions.client).toBe(0);
  });

  it('answers a challenge with what the trunk may say (RFC 3261 §22)', async () => {
    const said: (string | undefined)[] = [];
    const credentials = { username: 'gateway', password: async () => 'secret' };
    const a = await net.stack({ domain: A, trunks: [partnerTrunk(B, A, { credentials })] });
    const challenge = 'Digest realm="b.example", nonce="abc", algorithm=SHA-256, qop="auth"';
    const challenging = await net.peer(B, (flow, request) => {
      const proof = request.headers.get('Authorization');
      said.push(proof);
      answering(proof === undefined ? 401 : 200, [['WWW-Authenticate', challenge]])(flow, request);
    });
    net.publish(B, challenging);
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    expect(said).toEqual([undefined, expect.stringMatching(/^Digest username="gateway".*algorithm=SHA-256/)]);
  });
});

describe('a trunk that flaps in mid-dialog', () => {
  it.each(['caller', 'callee'])('carries the BYE of the %s over a new connection', async (who) => {
    const { a, b } = await both();
    const relay = await net.relay(b.port);
    net.publish(B, relay.port);
    const [caller, callee] = await callBetween(a, b);
    relay.cut();
    await poll(
      a,
      a.handlers.watch.until(() => a.stack.counters.flows.open.byUs === 0 && b.stack.counters.flows.open.byPeer === 0),
    );
    const [ending, ended] = who === 'caller' ? [caller, callee] : [callee, caller];
    await ending.end();
    expect(await ended.ended).toMatchObject({ by: 'peer' });
  });
});

describe('the state of a trunk', () => {
  it('follows its OPTIONS: up, down, and up again', async () => {
    const ping = { options: { pingMs: 20 } };
    const { a, b } = await both({ a: { trunks: [partnerTrunk(B, A, ping)] } });
    const relay = await net.relay(b.port);
    net.publish(B, relay.port);
    await a.journal.seen({ event: 'trunk-up' });
    relay.close();
    await a.journal.seen({ event: 'trunk-down' });
    expect(trunkOf(a, B).state).toBe('down');
    net.publish(B, b.port);
    await a.journal.seen({ event: 'trunk-up' }, 2);
    expect(a.handlers.turns).toEqual([`${B} up`, `${B} down`, `${B} up`]);
    expect(b.handlers.requests).toEqual([]);
  });
});

describe('new trunks in place of the old', () => {
  it('leave calls alone', async () => {
    const { a, b } = await both();
    const [caller, callee] = await callBetween(a, b);
    b.stack.setTrunks([partnerTrunk(A, B, { domains: ['*.a.example'] }), partnerTrunk('c.example', B)]);
    a.stack.setTrunks([partnerTrunk(B, A)]);
    expect(b.stack.trunkFor('x.a.example')).toBe(callee.trunk);
    await callee.end();
    expect(await caller.ended).toMatchObject({ by: 'peer' });
  });

  it('refuse who is no longer among them', async () => {
    const { a, b } = await both();
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
    b.stack.setTrunks([partnerTrunk('c.example', B)]);
    expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 403 });
    expect(b.journal.of({ event: 'sip-refused' })).toMatchObject([
      { reason: 'trunk-unknown', detail: expect.stringContaining('a certificate for a.example') },
    ]);
    expect(b.stack.trunkFor(A)).toBeUndefined();
  });

  it('are all or none', async () => {
    const { a } = await both();
    expect(() => a.stack.setTrunks([partnerTrunk('c.example', A), partnerTrunk('c.example', A)])).toThrow('one id');
    expect(a.stack.trunkFor(B)?.id).toBe(B);
  });
});

describe('a PBX over TCP', () => {
  const options = { id: 'pbx', kind: 'home', domain: 'pbx', domains: [], tls: false, options: { pingMs: 0 } } as const;

  it('is known by its address on loopback, and reached there', async () => {
    const listen = [{ host: '127.0.0.1', port: 0, tls: false }];
    const pbx = await net.stack({ domain: A, listen, trunks: [{ ...options, localDomain: A }] });
    const targets = [{ host: '127.0.0.1', port: pbx.port }];
    const b = await net.stack({ domain: B, listen, trunks: [{ ...options, localDomain: B, targets }] });
    const reply = await trunkOf(b, 'pbx').request(message('sip:bob@anything', 'sip:200@pbx'));
    expect(reply).toMatchObject({ status: 200, origin: 'peer' });
    expect(pbx.handlers.requests[0]?.trunk.kind).toBe('home');
  });

  it('is cut off where it sends what is no SIP, and the log says so', async () => {
    const listen = [{ host: '127.0.0.1', port: 0, tls: false }];
    const gateway = await net.stack({ domain: A, listen, trunks: [{ ...options, localDomain: A }] });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.end('GET / HTTP/1.1\r\n\r\n');
    await once(socket.resume(), 'close');
    await gateway.journal.seen({ event: 'connection-cut', reason: 'sip-malformed', address: '127.0.0.1' });
  });

  it('is nobody elsewhere', async () => {
    const listen = [{ host: '127.0.0.1', port: 0, tls: false }];
    const trunks = [{ ...options, localDomain: A, addresses: ['192.0.2.1'] }];
    const pbx = await net.stack({ domain: A, listen, trunks });
    const targets = [{ host: '127.0.0.1', port: pbx.port }];
    const b = await net.stack({ domain: B, listen: [], trunks: [{ ...options, localDomain: B, targets }] });
    expect(await trunkOf(b, 'pbx').request(message())).toMatchObject({ status: 503 });
    expect(pbx.journal.of({ event: 'connection-refused' })).not.toEqual([]);
    expect(pbx.handlers.requests).toEqual([]);
  });
});

describe('draining', () => {
  it('refuses new calls, lets those that stand end, and then is over', async () => {
    const { a, b } = await both();
    const [caller, callee] = await callBetween(a, b);
    const drained = b.stack.drain(60_000);
    expect(trunkOf(b, A).state).toBe('draining');
    const result = await trunkOf(a, B).invite({ ...message(), offer: OFFER }).result;
    if (result.ok) throw new Error('taken');
    expect([result.reply.status, Number(result.reply.headers.get('Retry-After')) > 0]).toEqual([503, true]);
    await caller.end();
    await callee.ended;
    await drained;
    await b.stack.close();
    await b.stack.close();
  });

  it('waits no longer than it may', async () => {
    const { a, b } = await both();
    await callBetween(a, b);
    await b.stack.drain(1);
    expect(b.handlers.calls).toHaveLength(1);
  });
});

it('answers with 500 what the gateway fails at, tells of it, and keeps the connection', async () => {
  const { a, b } = await both();
  b.handlers.called = () => {
    throw new TypeError('a bug');
  };
  const result = await trunkOf(a, B).invite({ ...message(), offer: OFFER }).result;
  expect(result).toMatchObject({ ok: false, reply: { status: 500, origin: 'peer' } });
  const { detail } = await b.journal.seen({ event: 'defect', reason: 'internal' });
  expect(detail).toContain('TypeError: a bug');
  expect(await trunkOf(a, B).request(message())).toMatchObject({ status: 200 });
  expect(Object.values(b.stack.counters.flows.ended).filter((count) => count > 0)).toEqual([]);
});
