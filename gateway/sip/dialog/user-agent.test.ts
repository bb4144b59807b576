import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../policies/fault.ts';
import type { SipResponse } from '../message/message.ts';
import type { ExtraHeaders } from '../port.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { offer, Pair } from './testing/agents.ts';
import { Script } from './testing/script.ts';

let peer: Script;
let calls = 0;
beforeEach(() => {
  peer = new Script(new FakeClock(), { calls: 2 });
});
afterEach(async () => {
  peer.a.agent.close();
  await peer.run(40_000);
  expect(peer.a.agent.load).toEqual({ calls: 0, dialogs: 0, pending: 0 });
  expect(peer.a.transactions.load).toEqual({ client: 0, server: 0 });
  expect(peer.clock.pending).toBe(0);
});

interface Sent {
  readonly uri?: string;
  readonly headers?: ExtraHeaders;
  readonly sdp?: string;
  readonly toTag?: string;
  readonly hops?: number;
}

async function ask(method: string, { uri, headers = [], sdp, toTag, hops = 70 }: Sent = {}): Promise<SipResponse> {
  calls += 1;
  const all: ExtraHeaders = [
    ['From', '<sip:bob@b.example>;tag=bob'],
    ['To', `<sip:alice@a.example>${toTag === undefined ? '' : `;tag=${toTag}`}`],
    ['Call-ID', `call-${calls}`],
    ['CSeq', `1 ${method}`],
    ['Contact', '<sip:bob@b.example>'],
    ['Max-Forwards', String(hops)],
    ...headers,
  ];
  await peer.send(method, uri ?? 'sip:alice@a.example', all, sdp);
  return peer.response(method);
}

describe('a request that is refused by itself', () => {
  it.each<[string, string, Sent, number, string?, string?]>([
    ['an unknown method', 'FROBNICATE', {}, 405, 'Allow', 'INVITE'],
    ['REGISTER', 'REGISTER', {}, 405, 'Allow', 'INVITE'],
    ['an unknown scheme', 'MESSAGE', { uri: 'nobody:alice' }, 416],
    ['no hop left', 'MESSAGE', { hops: 0 }, 483],
    ['an extension nobody knows', 'INVITE', { headers: [['Require', '100rel, foo, bar']] }, 420, 'Unsupported', 'foo'],
    ['one on the way', 'MESSAGE', { headers: [['Proxy-Require', 'sec-agree']] }, 420, 'Unsupported', 'sec-agree'],
    ['a body that is no description', 'INVITE', { sdp: 'x', headers: [['Content-Type', 'a/b']] }, 415],
    ['an encoded body', 'MESSAGE', { headers: [['Content-Encoding', 'gzip']] }, 415, 'Accept-Encoding', 'identity'],
    ['no way to answer it', 'INVITE', { headers: [['Accept', 'text/plain']] }, 406],
    [
      'a short session interval',
      'INVITE',
      {
        headers: [
          ['Session-Expires', '60'],
          ['Supported', 'timer'],
        ],
      },
      422,
      'Min-SE',
      '90',
    ],
    [
      'too many routes',
      'INVITE',
      { headers: [['Record-Route', Array(17).fill('<sip:p.b.example;lr>').join(',')]] },
      400,
    ],
  ])('for %s', async (_why, method, sent, status, name, value) => {
    const { status: got, headers } = await ask(method, sent);
    expect(got).toBe(status);
    if (name !== undefined) expect(headers.get(name)).toBe(value);
    expect(peer.a.calls).toEqual([]);
    expect(peer.a.requests).toEqual([]);
  });

  it.each(['BYE', 'INFO', 'NOTIFY', 'PRACK', 'UPDATE'])('where %s finds no dialog', async (method) => {
    expect((await ask(method)).status).toBe(481);
    expect((await ask(method, { toTag: 'nobody' })).status).toBe(481);
  });

  it.each(['INVITE', 'MESSAGE', 'OPTIONS', 'REFER'])('where %s names a dialog that nobody knows', async (method) => {
    expect((await ask(method, { toTag: 'nobody' })).status).toBe(481);
  });

  it('where it belongs to no trunk', async () => {
    peer.a.refuses = { status: 403, reason: 'Not A Partner' };
    expect(await ask('INVITE')).toMatchObject({ status: 403, reason: 'Not A Partner' });
  });
});

describe('a request out of dialog', () => {
  it.each(['MESSAGE', 'REFER', 'PUBLISH'])('%s goes to the gateway', async (method) => {
    peer.a.answers = { status: 202, reason: 'Taken', headers: [['X-Note', 'n']] };
    const response = await ask(method, { hops: 7, headers: [['Max-Breadth', '30']] });
    expect(response).toMatchObject({ status: 202, reason: 'Taken' });
    expect(response.headers.get('X-Note')).toBe('n');
    expect(response.to.params.get('tag')).toMatch(/^[0-9a-f]{32}$/);
    const [request] = peer.a.requests;
    expect(request).toMatchObject({
      method,
      hops: 7,
      target: 'sip:alice@a.example',
      from: { uri: 'sip:bob@b.example' },
    });
    expect(request?.headers.get('Max-Breadth')).toBe('30');
  });

  it('MESSAGE is answered without Contact', async () => {
    peer.a.answers = { status: 200, headers: [['Contact', '<sip:x@a.example>']] };
    expect((await ask('MESSAGE')).headers.has('Contact')).toBe(false);
  });

  it('is a 500 where the answer would break the message', async () => {
    peer.a.answers = { status: 200, reason: 'OK\r\nX: y' };
    expect((await ask('MESSAGE')).status).toBe(500);
  });

  it('OPTIONS is answered inside, even without a hop left', async () => {
    const { status, headers } = await ask('OPTIONS', { hops: 0 });
    expect(status).toBe(200);
    expect(headers.all('Allow')).toEqual(expect.arrayContaining(['INVITE', 'UPDATE', 'PRACK', 'MESSAGE']));
    expect(headers.get('Accept')).toBe('application/sdp');
    expect(headers.all('Supported')).toEqual(expect.arrayContaining(['100rel', 'timer']));
  });

  it('OPTIONS and INVITE are answered 503 with Retry-After while we stop; MESSAGE is not', async () => {
    peer.a.agent.drain();
    for (const method of ['OPTIONS', 'INVITE']) {
      const { status, headers } = await ask(method);
      expect([status, Number(headers.get('Retry-After')) > 0]).toEqual([503, true]);
    }
    expect((await ask('MESSAGE')).status).toBe(200);
  });

  it('INVITE is answered 503 past the bound of calls', async () => {
    await ask('INVITE', { sdp: offer }).catch(() => undefined);
    await ask('INVITE', { sdp: offer }).catch(() => undefined);
    expect(peer.a.calls).toHaveLength(2);
    expect((await ask('INVITE')).status).toBe(503);
  });
});

describe('a request of ours out of dialog', () => {
  it('brings back the reply of the peer', async () => {
    const pair = new Pair();
    pair.b.answers = { status: 404, body: { type: 'text/plain', content: Buffer.from('gone') } };
    const sent = pair.a.send({ hops: 12, callId: 'mine', headers: [['X-Note', 'n']] });
    await pair.run();
    const reply = await sent;
    expect(reply).toMatchObject({ status: 404, reason: 'Not Found', origin: 'peer' });
    expect(reply.body?.content.toString()).toBe('gone');
    expect(pair.b.requests[0]).toMatchObject({ hops: 12, callId: 'mine' });
    expect(pair.wire.last('a', 'MESSAGE').headers.has('Contact')).toBe(false);
    await pair.nothingLeft();
  });

  it('says how it failed', async () => {
    const broken = await peer.a.send({ from: { uri: 'sip:a@a.example>\r\nX: y' } });
    expect(broken).toMatchObject({ status: 400, origin: 'unsent' });
    expect(await peer.a.send({ signal: AbortSignal.abort() })).toMatchObject({ status: 408, origin: 'unsent' });
    const abort = new AbortController();
    const abandoned = peer.a.send({ signal: abort.signal });
    abort.abort();
    expect(await abandoned).toMatchObject({ status: 408, origin: 'timeout' });
    const unanswered = peer.a.send();
    await peer.run(33_000);
    expect(await unanswered).toMatchObject({ status: 408, origin: 'timeout' });
    const lost = peer.a.send();
    await peer.run();
    peer.wire.cut();
    await peer.run();
    expect(await lost).toMatchObject({ status: 503, origin: 'transport' });
  });

  it('answers a challenge, twice at most', async () => {
    Object.assign(peer.a.outbound, { authorize: async () => [['Authorization', 'Digest x']] });
    const sent = peer.a.send();
    for (const number of [1, 2, 3]) {
      await peer.run();
      const request = peer.request('MESSAGE');
      expect([request.cseq.number, request.headers.has('Authorization')]).toEqual([number, number > 1]);
      await peer.respond(request, 401);
    }
    expect(await sent).toMatchObject({ status: 401 });
  });
});

describe('what the gateway throws', () => {
  const broken = new Error('A defect.');

  it.each(['INVITE', 'MESSAGE', 'SUBSCRIBE'])(
    'at a %s is a defect that is told, and answered with 500',
    async (method) => {
      peer.a.breaks = broken;
      const headers: ExtraHeaders = method === 'SUBSCRIBE' ? [['Event', 'presence']] : [];
      expect((await ask(method, { headers })).status).toBe(500);
      expect(peer.a.defects).toEqual([broken]);
      expect(peer.a.agent.load).toEqual({ calls: 0, dialogs: 0, pending: 0 });
      peer.a.breaks = undefined;
      expect((await ask('MESSAGE')).status).toBe(200);
    },
  );

  it('at finding the trunk is one too', async () => {
    Object.defineProperty(peer.a, 'refuses', {
      get: () => {
        throw broken;
      },
    });
    expect((await ask('OPTIONS')).status).toBe(500);
    expect(peer.a.defects).toEqual([broken]);
  });

  it('is no defect where it is a Fault', async () => {
    peer.a.breaks = new Fault('remote-unreachable');
    expect((await ask('MESSAGE')).status).toBe(500);
    expect(peer.a.defects).toEqual([]);
  });

  it.each(['INFO', 'INVITE'])('at %s in a call leaves the call alone', async (method) => {
    const pair = new Pair();
    const { a, b } = await pair.talk();
    b.onRequest = () => Promise.reject(broken);
    b.onModify = () => {
      throw broken;
    };
    const asked = method === 'INFO' ? a.request(method, {}) : a.modify(offer);
    await pair.run();
    await asked;
    expect(pair.wire.last('b', `500 ${method}`)).toBeDefined();
    expect(pair.b.defects).toEqual([broken]);
    const ended = a.end();
    await pair.run();
    await ended;
    await pair.nothingLeft();
  });
});
