import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { homeTrunk, partnerTrunk, Site, type SiteOptions } from './testing/site.ts';
import { StandInServer } from './testing/stand-in-server.ts';

let site: Site;
const open: { close(): Promise<unknown> }[] = [];

async function started(options?: SiteOptions): Promise<Site> {
  const one = await Site.start(options);
  open.push(one);
  return one;
}

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

describe('the link to the server', () => {
  it('signs in and asks for each method once', async () => {
    site = await started();
    const routes = [];
    for (let n = 0; n < 7; n += 1) routes.push(await site.server.routes.next());
    expect(routes.toSorted()).toEqual(['invite', 'message', 'notify', 'options', 'publish', 'refer', 'subscribe']);
    expect(site.server.routes.size).toBe(0);
    expect(site.trunk.state).toBe('up');
    expect(site.turns).toEqual(['p up', 'pbx up']);
  });

  it('says where the server takes SIP', async () => {
    const addresses = [
      'udp/198.51.100.1:5060',
      'tls/198.51.100.1:5061',
      'tcp/[2001:db8::1]:5060',
      'wss/198.51.100.1:443',
    ];
    const server = await StandInServer.start({ addresses });
    open.push(server);
    site = new Site(server);
    open.push(site.stack);
    expect(await site.stack.start(site.handlers)).toEqual([
      { host: '198.51.100.1', port: 5061 },
      { host: '2001:db8::1', port: 5060 },
    ]);
    expect(site.stack.addresses).toEqual(addresses);
  });

  it('ends the start with a fault where the secret is another', async () => {
    const server = await StandInServer.start();
    open.push(server);
    site = new Site(server, { server: { secret: () => Promise.resolve('wrong') } });
    await expect(site.stack.start(site.handlers)).rejects.toMatchObject({
      code: 'drachtio-unusable',
      remedy: expect.stringContaining('edges.sip.drachtio.secret'),
    });
    await site.stack.close();
  });

  it('ends the start with a fault where the server listens before the edge', async () => {
    const server = await StandInServer.start({ addresses: ['tcp/127.0.0.1:5060', 'tls/192.0.2.1:5061'] });
    open.push(server);
    const proxy = 'sip:127.0.0.1:5070;transport=tcp';
    site = new Site(server, { trunks: [partnerTrunk], server: { peersProvenBy: 'edge', proxy } });
    await expect(site.stack.start(site.handlers)).rejects.toMatchObject({
      code: 'drachtio-unproven',
      message: expect.stringContaining('tls/192.0.2.1:5061'),
    });
    await site.stack.close();
  });

  it('is not tried at all where nobody answers for the partners', async () => {
    const server = await StandInServer.start();
    open.push(server);
    expect(() => new Site(server, { server: { peersProvenBy: undefined } })).toThrow(
      expect.objectContaining({ code: 'drachtio-unproven' }),
    );
    expect(server.connections).toBe(0);
  });

  it('starts without the server, and is made when it comes', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    probe.close();
    await once(probe, 'close');
    const nobody = await StandInServer.start();
    open.push(nobody);
    site = new Site(nobody, { server: { port } });
    open.push(site.stack);
    await site.stack.start(site.handlers);
    expect(site.trunk.state).toBe('down');
    const request = {
      method: 'MESSAGE',
      target: 'sip:bob@p.example',
      from: { uri: 'sip:a@h.example' },
      to: { uri: 'sip:bob@p.example' },
    };
    expect(await site.trunk.request(request)).toMatchObject({ status: 503, origin: 'unsent' });
    for (const down of ['p down', 'pbx down']) expect(await site.turned.next()).toBe(down);
    open.push(await StandInServer.start({ port }));
    expect(await site.turned.next()).toBe('p up');
    expect(site.trunk.state).toBe('up');
  });

  it.each([
    ['closes', (server: StandInServer) => server.disconnect()],
    ['sends what is no frame', (server: StandInServer) => server.writeRaw('nonsense#')],
    ['sends a frame of no kind', (server: StandInServer) => server.writeRaw('9#id|what|ev')],
  ])('is made again when the server %s', async (_case, harm) => {
    site = await started();
    for (let n = 0; n < 2; n += 1) await site.turned.next();
    const pending = site.trunk.request(said);
    await site.server.sent.next();
    harm(site.server);
    expect(await pending).toMatchObject({ status: 503, origin: 'transport' });
    for (const turn of ['p down', 'pbx down', 'p up', 'pbx up']) expect(await site.turned.next()).toBe(turn);
    const answered = site.trunk.request(said);
    (await site.server.sent.next()).respond(200);
    expect(await answered).toMatchObject({ status: 200, origin: 'peer' });
    expect(site.server.connections).toBe(2);
  });
});

const said = {
  method: 'MESSAGE',
  target: 'sip:bob@p.example',
  from: { uri: 'sip:alice@h.example', display: 'Älice "A"' },
  to: { uri: 'sip:bob@p.example' },
  headers: [['Subject', 'lunch']],
  body: { type: 'text/plain;charset=utf-8', content: Buffer.from('grüß 🦆 |#\r\n\r\nx') },
} as const;

describe('requests of ours', () => {
  beforeEach(async () => {
    site = await started();
  });

  it('go to the servers of the trunk, and their answer comes back', async () => {
    const asked = site.trunk.request({ ...said, callId: 'thread-1', hops: 12 });
    const {
      request,
      proxy,
      respond: _,
    } = await site.server.sent.next().then((sent) => {
      sent.respond(202, { headers: [['Warning', '399 x "a, b", 399 y "c"']] });
      return sent;
    });
    expect(proxy).toBe('sip:192.0.2.7:5061;transport=tls');
    expect(request).toMatchObject({ method: 'MESSAGE', uri: 'sip:bob@p.example', callId: 'thread-1', maxForwards: 12 });
    expect(request.from).toMatchObject({ uri: 'sip:alice@h.example', display: 'Älice "A"' });
    expect(request.from.params.get('tag')).toMatch(/^[0-9a-f]{32}$/);
    expect(request.headers.get('Subject')).toBe('lunch');
    expect(request.body.toString()).toBe('grüß 🦆 |#\r\n\r\nx');
    const reply = await asked;
    expect(reply).toMatchObject({ status: 202, origin: 'peer' });
    expect(reply.headers.all('Warning')).toEqual(['399 x "a, b"', '399 y "c"']);
  });

  it.each([
    [408, 'timeout'],
    [503, 'transport'],
  ] as const)('that the server answers itself with %i are told from the answers of peers', async (status, origin) => {
    const asked = site.trunk.request(said);
    (await site.server.sent.next()).respond(status, { from: '' });
    expect(await asked).toMatchObject({ status, origin });
    const again = site.trunk.request(said);
    (await site.server.sent.next()).respond(status);
    expect(await again).toMatchObject({ status, origin: 'peer' });
  });

  it('that cannot be written do not reach the server', async () => {
    const headers = [['Subject', 'x\r\nTo: <sip:evil@x.example>']] as const;
    expect(await site.trunk.request({ ...said, headers })).toMatchObject({ status: 400, origin: 'unsent' });
    expect(await site.trunk.request({ ...said, from: { uri: 'sip:a@h', display: 'a\r\nX: 1' } })).toMatchObject({
      origin: 'unsent',
    });
    const body = { type: 'text/plain', content: Buffer.alloc(200_000, 'x') };
    expect(await site.trunk.request({ ...said, body })).toMatchObject({ status: 513, origin: 'unsent' });
    expect(site.server.sent.size).toBe(0);
  });

  it('that the server refuses were not sent', async () => {
    site.server.refusal = 'requested protocol/transport not available';
    expect(await site.trunk.request(said)).toMatchObject({ status: 503, origin: 'unsent' });
  });

  it('that are given up come back at once', async () => {
    const giving = new AbortController();
    const asked = site.trunk.request({ ...said, signal: giving.signal });
    await site.server.sent.next();
    giving.abort();
    expect(await asked).toMatchObject({ status: 408, origin: 'timeout' });
  });

  it('keep what only means something at home from partners', async () => {
    const headers = [
      ['P-Asserted-Identity', '<sip:alice@h.example>'],
      ['Privacy', 'id'],
      ['P-Charging-Vector', 'icid-value=1'],
      ['X-Internal', '1'],
    ] as const;
    void site.trunk.request({ ...said, headers });
    const { request } = await site.server.sent.next();
    for (const name of ['P-Asserted-Identity', 'P-Charging-Vector', 'X-Internal'])
      expect(request.headers.has(name)).toBe(false);
  });
});

it('a request that nobody answers is given up', async () => {
  const clock = new FakeClock();
  site = await started({ clock });
  const asked = site.trunk.request(said);
  await site.server.sent.next();
  await clock.advanceAsync(40_000);
  expect(await asked).toMatchObject({ status: 408, origin: 'timeout' });
});

it('the next server of a partner is asked where one is out of reach', async () => {
  const targets = [{ host: '192.0.2.7' }, { host: '2001:db8::7', port: 5071 }];
  site = await started({ trunks: [{ ...partnerTrunk, targets }] });
  const asked = site.trunk.request(said);
  const first = await site.server.sent.next();
  first.respond(503, { from: '' });
  const second = await site.server.sent.next();
  second.respond(200);
  expect([first.proxy, second.proxy]).toEqual(['sip:192.0.2.7;transport=tls', 'sip:[2001:db8::7]:5071;transport=tls']);
  expect(await asked).toMatchObject({ status: 200 });
});

it('a challenge is answered where the trunk has credentials', async () => {
  const credentials = { username: 'h', password: () => Promise.resolve('secret') };
  site = await started({ trunks: [{ ...partnerTrunk, credentials }] });
  const asked = site.trunk.request(said);
  const first = await site.server.sent.next();
  first.respond(407, { headers: [['Proxy-Authenticate', 'Digest realm="p", nonce="n1", qop="auth"']] });
  const second = await site.server.sent.next();
  expect(second.request.headers.get('Proxy-Authorization')).toContain('username="h"');
  expect(second.request.callId).toBe(first.request.callId);
  expect(second.request.cseq.number).toBe(first.request.cseq.number + 1);
  second.respond(200);
  expect(await asked).toMatchObject({ status: 200 });
});

describe('requests of peers', () => {
  beforeEach(async () => {
    site = await started();
  });

  it('come to the gateway with their trunk, and are answered', async () => {
    site.answer = () => Promise.resolve({ status: 486, reason: 'No Time', headers: [['Retry-After', '5']] });
    const sent = site.server.receive('MESSAGE', {
      body: 'héllo',
      headers: [
        ['Content-Type', 'text/plain'],
        ['s', 'x, y'],
      ],
    });
    const request = await site.requests.next();
    expect(request).toMatchObject({
      method: 'MESSAGE',
      target: 'sip:alice@h.example',
      hops: 70,
      from: { uri: 'sip:bob@p.example' },
    });
    expect(request.trunk.id).toBe('p');
    expect(request.headers.get('Subject')).toBe('x, y');
    expect(request.body?.content.toString()).toBe('héllo');
    const answer = await sent.responses.next();
    expect(answer).toMatchObject({ status: 486, reason: 'No Time' });
    expect(answer.headers.get('Retry-After')).toBe('5');
  });

  it('of nobody are refused with their reason, and the operator sees why', async () => {
    const sent = site.server.receive('MESSAGE', { from: '<sip:bob@evil.example>;tag=1' });
    expect(await sent.responses.next()).toMatchObject({ status: 403, reason: 'Sender Is Not Of This Trunk' });
    expect(site.refusals).toMatchObject([
      { reason: 'sender-not-proven', fields: { address: '192.0.2.7', nearest: 'p' } },
    ]);
    expect(site.requests.size).toBe(0);
  });

  it('of the PBX come over its trunk', async () => {
    site.server.receive('MESSAGE', {
      peer: { address: '127.0.0.1', protocol: 'tcp' },
      from: '<sip:100@h.example>;tag=1',
      headers: [['P-Asserted-Identity', '<sip:100@h.example>']],
    });
    const request = await site.requests.next();
    expect(request.trunk).toMatchObject({ id: homeTrunk.id, kind: 'home' });
    expect(request.headers.get('P-Asserted-Identity')).toBe('<sip:100@h.example>');
  });

  it('are stripped of what a partner may not claim', async () => {
    site.server.receive('MESSAGE', {
      headers: [
        ['P-Asserted-Identity', '<sip:ceo@h.example>'],
        ['P-Preferred-Identity', '<sip:ceo@h.example>'],
      ],
    });
    const { headers } = await site.requests.next();
    expect(headers.get('P-Asserted-Identity') ?? headers.get('P-Preferred-Identity')).toBeUndefined();
  });

  it('that are malformed are answered 400', async () => {
    const raw = (text: string): string => text.replace('1 MESSAGE', '1 INVITE');
    expect(await site.server.receive('MESSAGE', { raw }).responses.next()).toMatchObject({ status: 400 });
    const twice = (text: string): string => text.replace('Max-Forwards', 'From: <sip:x@y>;tag=2\r\nMax-Forwards');
    expect(await site.server.receive('MESSAGE', { raw: twice }).responses.next()).toMatchObject({ status: 400 });
  });

  it('for a dialog that nobody knows are answered 481', async () => {
    expect(await site.server.receive('INFO', { dialog: 'nobody' }).responses.next()).toMatchObject({ status: 481 });
  });

  it('that the gateway fails at are answered 500, and what it cannot write as well', async () => {
    site.answer = () => Promise.reject(new Error('no'));
    expect(await site.server.receive('MESSAGE').responses.next()).toMatchObject({ status: 500 });
    site.answer = () => Promise.resolve({ status: 400, reason: 'x\r\nX-Evil: 1' });
    const answer = await site.server.receive('MESSAGE').responses.next();
    expect(answer.status).toBe(500);
    expect(answer.headers.has('X-Evil')).toBe(false);
  });

  it('get a status that drachtio-srf knows', async () => {
    site.answer = () => Promise.resolve({ status: 469, reason: 'Bad Info Package' });
    expect(await site.server.receive('MESSAGE').responses.next()).toMatchObject({
      status: 400,
      reason: 'Bad Info Package',
    });
  });

  it('for our abilities are answered inside, and 503 while we stop', async () => {
    const answer = await site.server.receive('OPTIONS').responses.next();
    expect(answer.status).toBe(200);
    expect(answer.headers.all('Allow')).toContain('MESSAGE');
    await site.stack.drain(1_000);
    expect(await site.server.receive('OPTIONS').responses.next()).toMatchObject({ status: 503 });
    expect(await site.server.receive('INVITE').responses.next()).toMatchObject({ status: 503 });
    expect(site.trunk.state).toBe('draining');
  });

  it('that demand what we do not speak are refused', async () => {
    const answer = await site.server.receive('MESSAGE', { headers: [['Require', 'teleport']] }).responses.next();
    expect(answer.status).toBe(420);
    expect(answer.headers.get('Unsupported')).toBe('teleport');
  });
});

it('the evidence says on whose word a partner is taken', async () => {
  site = await started({ trusted: false });
  expect(await site.server.receive('MESSAGE').responses.next()).toMatchObject({ status: 403 });
  expect(site.evidence).toMatchObject([
    { proof: 'certificate', domain: 'p.example', detail: expect.stringContaining('administrator') },
  ]);
});

it('trunks are replaced, and those that stay are the same', async () => {
  site = await started();
  const before = site.trunk;
  site.stack.setTrunks([{ ...partnerTrunk, domains: ['r.example'] }]);
  expect(site.stack.trunkFor('R.example')).toBe(before);
  expect(site.stack.trunkFor('h.example')).toBeUndefined();
  expect(() => site.stack.setTrunks([{ ...partnerTrunk, addresses: [] }])).toThrow(
    expect.objectContaining({ code: 'drachtio-unproven' }),
  );
  expect(site.stack.trunkFor('r.example')).toBe(before);
});

it('a trunk is asked whether it lives', async () => {
  const clock = new FakeClock();
  site = await started({ clock, trunks: [{ ...partnerTrunk, options: { pingMs: 10_000 } }] });
  await site.turned.next();
  for (let n = 0; n < 2; n += 1) {
    await clock.advanceAsync(15_000);
    const ping = await site.server.sent.next();
    expect(ping.request).toMatchObject({ method: 'OPTIONS', uri: 'sip:p.example' });
    ping.respond(503, { from: '' });
    await site.caughtUp();
  }
  expect(await site.turned.next()).toBe('p down');
  expect(site.trunk.state).toBe('down');
});
