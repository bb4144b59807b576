import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DnsServer, type DnsServerOptions, type Misbehaviour, type ZoneRecord } from '../../conformance/dns-server.ts';
import { Fault } from '../../policies/fault.ts';
import { Resolver, type ResolverOptions } from './resolver.ts';

const a = (name: string, data: string, ttl = 60): ZoneRecord => ({ name, type: 'A', data, ttl });
const cname = (name: string, data: string, ttl = 60): ZoneRecord => ({ name, type: 'CNAME', data, ttl });

async function serve(records: readonly ZoneRecord[], options?: DnsServerOptions): Promise<DnsServer> {
  const server = await new DnsServer(records, options).start();
  onTestFinished(() => server.close());
  return server;
}

function resolve(servers: readonly { address: string }[], options: Partial<ResolverOptions> = {}): Resolver {
  const addresses = servers.map((server) => server.address);
  const resolver = new Resolver({ servers: addresses, dnssec: 'off', timeoutMs: 5_000, ...options });
  onTestFinished(() => resolver.close());
  return resolver;
}

/** An address of loopback on which nobody answers DNS. */
async function deaf(): Promise<{ address: string }> {
  const server = await serve([]);
  server.whim = () => 'drop';
  return server;
}

describe('Resolver', () => {
  it('goes on to the next server where the first has no route, and fails as DNS where none has', async () => {
    // A link-local address without its link: the kernel refuses it and nothing leaves the machine.
    const routeless = { address: '[fe80::1]:53' };
    const server = await serve([a('x.example', '192.0.2.1')]);
    expect((await resolve([routeless, server]).a('x.example')).records).toEqual(['192.0.2.1']);
    await expect(resolve([routeless]).a('x.example')).rejects.toMatchObject({ code: 'dns-failed' });
  });

  it('decodes every type it asks for', async () => {
    const certificate = Buffer.alloc(32, 7);
    const naptr = {
      order: 100,
      preference: 10,
      flags: 'u',
      services: 'E2U+sip',
      regexp: '!^.*$!sip:x@y!',
      replacement: '.',
    };
    const server = await serve([
      a('x.example', '192.0.2.1'),
      { name: 'x.example', type: 'AAAA', data: '2001:db8::1' },
      { name: 'x.example', type: 'SRV', data: { priority: 1, weight: 2, port: 5269, target: 'XMPP.x.example.' } },
      { name: '_5269._tcp.x.example', type: 'TLSA', data: { usage: 3, selector: 1, matchingType: 1, certificate } },
      { name: '4.3.2.1.e164.arpa', type: 'NAPTR', data: naptr },
      { name: 'x.example', type: 'TXT', data: ['grüße', 'two'] },
    ]);
    const resolver = resolve([server]);
    expect(await resolver.a('x.example')).toEqual({
      records: ['192.0.2.1'],
      security: 'insecure',
      ttl: 60,
      exists: true,
    });
    expect((await resolver.aaaa('x.example')).records).toEqual(['2001:db8::1']);
    expect((await resolver.srv('x.example')).records).toEqual([
      { priority: 1, weight: 2, port: 5269, target: 'xmpp.x.example' },
    ]);
    expect((await resolver.tlsa('_5269._tcp.x.example')).records).toEqual([
      { usage: 3, selector: 1, matchingType: 1, data: certificate },
    ]);
    expect((await resolver.naptr('4.3.2.1.e164.arpa')).records).toEqual([naptr]);
    expect((await resolver.txt('x.example')).records).toEqual([{ strings: ['grüße', 'two'] }]);
  });

  it('asks for the A-labels of a name', async () => {
    const server = await serve([a('xn--mnchen-3ya.example', '192.0.2.1')]);
    expect((await resolve([server]).a('MÜNCHEN.example')).records).toEqual(['192.0.2.1']);
  });

  it('tells a missing type from a missing name', async () => {
    const resolver = resolve([await serve([a('x.example', '192.0.2.1')])]);
    expect(await resolver.aaaa('x.example')).toMatchObject({ records: [], exists: true });
    expect(await resolver.a('y.example')).toMatchObject({ records: [], exists: false });
  });

  it.each(['no name', '[::1]', `${'x'.repeat(64)}.example`, ''])(
    'does not ask for %j, which cannot exist',
    async (name) => {
      const server = await serve([]);
      expect(await resolve([server]).a(name)).toMatchObject({ records: [], exists: false });
      expect(server.asked).toEqual([]);
    },
  );

  it('refuses to be made without a server', () => {
    expect(() => new Resolver({ servers: [], dnssec: 'off' })).toThrow(
      expect.objectContaining({ code: 'config-invalid' }),
    );
  });
});

describe('asking', () => {
  it('goes over TCP when the answer is truncated', async () => {
    const many = Array.from({ length: 100 }, (_, i) => a('x.example', `192.0.2.${i}`));
    const server = await serve(many);
    expect((await resolve([server]).a('x.example')).records).toHaveLength(100);
    expect(server.asked.map(({ via }) => via)).toEqual(['udp', 'tcp']);
  });

  it('asks without EDNS0 a server that does not know it', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    server.whim = () => 'no-edns';
    expect((await resolve([server]).a('x.example')).records).toEqual(['192.0.2.1']);
    expect(server.count('x.example')).toBe(2);
  });

  it.each(['forge-id', 'forge-question', 'forge-source'] as const)('ignores an answer by %s', async (forgery) => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    server.whim = () => forgery;
    expect(await resolve([server]).a('x.example')).toMatchObject({ records: ['192.0.2.1'], exists: true });
    expect(server.count('x.example')).toBe(1);
  });

  it('takes a fresh port and id for every query', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    onTestFinished(() => {
      socket.close();
    });
    await once(socket, 'listening');
    const seen: { id: number | undefined; port: number }[] = [];
    socket.on('message', (query, { port, address }) => {
      seen.push({ id: decode(query).id, port });
      const answer = Buffer.from(query);
      answer.writeUInt16BE(0x8183, 2);
      socket.send(answer, port, address);
    });
    const resolver = resolve([{ address: `127.0.0.1:${socket.address().port}` }]);
    await Promise.all(Array.from({ length: 20 }, (_, i) => resolver.a(`n${i}.example`)));
    expect(seen).toHaveLength(20);
    expect(new Set(seen.map(({ port }) => port)).size).toBe(20);
    expect(new Set(seen.map(({ id }) => id)).size).toBeGreaterThan(15);
  });

  it.each(['servfail', 'refused', 'notimp'] as const)('turns to the next server at %s', async (whim) => {
    const [broken, good] = [await serve([]), await serve([a('x.example', '192.0.2.1')])];
    broken.whim = () => whim;
    expect((await resolve([broken, good]).a('x.example')).records).toEqual(['192.0.2.1']);
  });

  it('turns to the next server when one is gone, silent or babbling', async () => {
    const good = await serve([a('x.example', '192.0.2.1')]);
    const gone = await new DnsServer().start();
    const { address } = gone;
    await gone.close();
    const babbling = await serve([]);
    babbling.whim = () => ({ raw: Buffer.from('0000808000010001ffff', 'hex'), echoId: true });
    const resolver = resolve([{ address }, await deaf(), babbling, good], { timeoutMs: 1_200, attempts: 1 });
    expect((await resolver.a('x.example')).records).toEqual(['192.0.2.1']);
  });

  it('asks a silent server last for a while', async () => {
    const [silent, good] = [await serve([]), await serve([a('x.example', '192.0.2.1'), a('y.example', '192.0.2.2')])];
    silent.whim = () => 'drop';
    let now = 0;
    const resolver = resolve([silent, good], { timeoutMs: 600, attempts: 1, now: () => now });
    await resolver.a('x.example');
    await resolver.a('y.example');
    expect(silent.asked.map(({ name }) => name)).toEqual(['x.example']);
    now = 60_000;
    await resolver.aaaa('y.example');
    expect(silent.asked.map(({ name }) => name)).toEqual(['x.example', 'y.example']);
  });

  it('asks again when a query got lost', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    server.whim = () => (server.asked.length === 1 ? 'drop' : undefined);
    expect((await resolve([server], { timeoutMs: 600 }).a('x.example')).records).toEqual(['192.0.2.1']);
    expect(server.asked).toHaveLength(2);
  });

  it.each<[Misbehaviour, string]>([
    ['servfail', 'dns-failed'],
    ['drop', 'dns-timeout'],
    [{ raw: Buffer.alloc(12, 0xff), echoId: true }, 'dns-malformed'],
  ])('is a fault when every server answers %j', async (whim, code) => {
    const servers = [await serve([]), await serve([])];
    for (const server of servers) server.whim = () => whim;
    const resolver = resolve(servers, { timeoutMs: whim === 'drop' ? 120 : 5_000 });
    await expect(resolver.a('x.example')).rejects.toMatchObject({ name: 'Fault', code });
    expect(servers.map((server) => server.asked.length)).toEqual([2, 2]);
  });

  it('keeps one deadline over the links of a chain', async () => {
    const server = await serve([cname('x.example', 'y.example')], { followAliases: false });
    server.whim = ({ name }) => (name === 'y.example' ? 'drop' : undefined);
    await expect(resolve([server], { timeoutMs: 150 }).a('x.example')).rejects.toMatchObject({ code: 'dns-timeout' });
  });
});

describe('aliases', () => {
  it('are followed within an answer and across answers', async () => {
    const records = [cname('x.example', 'y.example', 20), cname('y.example', 'z.example'), a('z.example', '192.0.2.1')];
    for (const followAliases of [true, false]) {
      const server = await serve(records, { followAliases });
      expect(await resolve([server]).a('x.example')).toMatchObject({ records: ['192.0.2.1'], ttl: 20 });
      expect(server.asked).toHaveLength(followAliases ? 1 : 3);
    }
  });

  it('that lead to nothing are a negative answer', async () => {
    for (const followAliases of [true, false]) {
      const server = await serve([cname('x.example', 'y.example')], { followAliases });
      expect(await resolve([server]).a('x.example')).toMatchObject({ records: [], exists: false });
    }
  });

  it.each([true, false])('in a loop are a fault (whole chain in one answer: %s)', async (followAliases) => {
    const server = await serve([cname('x.example', 'y.example'), cname('y.example', 'x.example')], { followAliases });
    await expect(resolve([server], { attempts: 1 }).a('x.example')).rejects.toMatchObject({ code: 'dns-failed' });
    expect(server.asked.length).toBeLessThanOrEqual(9);
  });
});

describe('the cache', () => {
  it('keeps an answer for its TTL, and says how long it still holds', async () => {
    const server = await serve([a('x.example', '192.0.2.1', 60)]);
    let now = 0;
    const resolver = resolve([server], { now: () => now });
    await resolver.a('x.example');
    now = 59_000;
    expect(await resolver.a('X.example')).toMatchObject({ records: ['192.0.2.1'], ttl: 1 });
    expect(server.asked).toHaveLength(1);
    server.replace([a('x.example', '192.0.2.2', 60)]);
    now = 60_000;
    expect((await resolver.a('x.example')).records).toEqual(['192.0.2.2']);
  });

  it('keeps that a name or type is missing for as long as the SOA says', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    let now = 0;
    const resolver = resolve([server], { now: () => now });
    const ask = () => Promise.all([resolver.aaaa('x.example'), resolver.a('y.example')]);
    await ask();
    now = 29_000;
    expect((await ask()).map(({ exists }) => exists)).toEqual([true, false]);
    expect(server.asked).toHaveLength(2);
    now = 30_000;
    await ask();
    expect(server.asked).toHaveLength(4);
  });

  it('forgets what is there and what is not, when told', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    const resolver = resolve([server]);
    await Promise.all([resolver.a('x.example'), resolver.srv('_sips._tcp.x.example')]);
    server.replace([
      a('x.example', '192.0.2.2'),
      { name: '_sips._tcp.x.example', type: 'SRV', data: { port: 5061, target: 'x.example' } },
    ]);
    expect((await resolver.srv('_sips._tcp.x.example')).records).toEqual([]);
    resolver.forget();
    expect((await resolver.a('x.example')).records).toEqual(['192.0.2.2']);
    expect((await resolver.srv('_sips._tcp.x.example')).records).toHaveLength(1);
  });

  it('keeps nothing longer than maxTtl, nor with TTL 0, nor a failure', async () => {
    const server = await serve([a('long.example', '192.0.2.1', 86_400), a('zero.example', '192.0.2.1', 0)]);
    let now = 0;
    const resolver = resolve([server], { now: () => now, maxTtl: 10 });
    expect((await resolver.a('long.example')).ttl).toBe(10);
    now = 10_000;
    await resolver.a('long.example');
    await resolver.a('zero.example');
    await resolver.a('zero.example');
    expect([server.count('long.example'), server.count('zero.example')]).toEqual([2, 2]);
    server.whim = () => 'servfail';
    await expect(resolver.a('sick.example')).rejects.toMatchObject({ code: 'dns-failed' });
    server.whim = undefined;
    expect(await resolver.a('sick.example')).toMatchObject({ exists: false });
  });

  it('keeps no more answers than it may', async () => {
    const server = await serve([]);
    const resolver = resolve([server], { cacheEntries: 2 });
    for (const name of ['a.example', 'b.example', 'c.example', 'a.example', 'c.example']) await resolver.a(name);
    expect(server.asked.map(({ name }) => name)).toEqual(['a.example', 'b.example', 'c.example', 'a.example']);
  });

  it('keeps no answer over 4 KiB', async () => {
    const server = await serve([{ name: 'x.example', type: 'TXT', data: Array<string>(50).fill('x'.repeat(100)) }]);
    const resolver = resolve([server]);
    await resolver.txt('x.example');
    expect((await resolver.txt('x.example')).records).toHaveLength(1);
    expect(server.asked.map(({ via }) => via)).toEqual(['udp', 'tcp', 'udp', 'tcp']);
  });
});

describe('waiting', () => {
  it('joins equal queries', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    const resolver = resolve([server]);
    const answers = await Promise.all([resolver.a('x.example'), resolver.a('X.EXAMPLE'), resolver.a('x.example.')]);
    expect(answers.map(({ records }) => records)).toEqual(Array(3).fill(['192.0.2.1']));
    expect(server.asked).toHaveLength(1);
  });

  it('lets one waiter abort and the others have their answer', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    const resolver = resolve([server]);
    const controller = new AbortController();
    const aborted = resolver.a('x.example', { signal: controller.signal });
    const stays = resolver.a('x.example');
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect((await stays).records).toEqual(['192.0.2.1']);
    expect(server.asked).toHaveLength(1);
  });

  it('ends at once when aborted, before and while asking', async () => {
    const resolver = resolve([await deaf()], { timeoutMs: 60_000 });
    await expect(resolver.a('x.example', { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
    const controller = new AbortController();
    const waiting = resolver.a('x.example', { signal: controller.signal });
    setImmediate(() => controller.abort(new Error('late')));
    await expect(waiting).rejects.toThrow('late');
  });

  it('ends every lookup on close, and refuses new ones', async () => {
    const resolver = resolve([await deaf()], { timeoutMs: 60_000 });
    const waiting = [resolver.a('x.example'), resolver.a('x.example'), resolver.srv('y.example')];
    setImmediate(() => resolver.close());
    const outcomes = await Promise.allSettled(waiting);
    const stopping = { status: 'rejected', reason: expect.objectContaining({ code: 'shutting-down' }) };
    expect(outcomes).toEqual([stopping, stopping, stopping]);
    await expect(resolver.a('x.example')).rejects.toMatchObject({ code: 'shutting-down' });
    resolver.close();
  });
});

describe('DNSSEC', () => {
  it('believes the AD bit of a server on loopback, also for what is missing and what is kept', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    server.authenticated = true;
    const resolver = resolve([server], { dnssec: 'trust-ad' });
    for (let round = 0; round < 2; round += 1) {
      expect((await resolver.a('x.example')).security).toBe('secure');
      expect((await resolver.a('y.example')).security).toBe('secure');
    }
    server.authenticated = false;
    expect((await resolver.aaaa('x.example')).security).toBe('insecure');
  });

  it('calls everything insecure when off', async () => {
    const server = await serve([a('x.example', '192.0.2.1')]);
    server.authenticated = true;
    expect((await resolve([server]).a('x.example')).security).toBe('insecure');
  });

  it('calls a chain insecure when one link of it is', async () => {
    const server = await serve([cname('x.example', 'y.example'), a('y.example', '192.0.2.1')], {
      followAliases: false,
    });
    server.whim = ({ name }) => {
      server.authenticated = name === 'y.example';
      return undefined;
    };
    const resolver = resolve([server], { dnssec: 'trust-ad' });
    expect((await resolver.a('x.example')).security).toBe('insecure');
    expect((await resolver.a('y.example')).security).toBe('secure');
  });
});

describe('hostile servers', () => {
  it('make a lookup throw nothing but a Fault, and never hang', async () => {
    const server = await serve([]);
    const resolver = resolve([server], { timeoutMs: 40, attempts: 1, cacheEntries: 0 });
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 80 }).map((array) => Buffer.from(array));
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), async (raw, echoId) => {
        server.whim = ({ via }) => (via === 'udp' && raw.length % 5 === 0 ? 'truncate' : { raw, echoId });
        const outcome = await resolver.srv('x.example').catch((error: unknown) => error);
        expect(
          outcome instanceof Fault || (typeof outcome === 'object' && outcome !== null && 'records' in outcome),
        ).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
