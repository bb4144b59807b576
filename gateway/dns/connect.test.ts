import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DnsServer, type ZoneRecord } from '../../conformance/dns-server.ts';
import { connectEndpoint } from './connect.ts';
import { Resolver } from './resolver.ts';

async function setUp(records: readonly ZoneRecord[]) {
  const server = await new DnsServer(records).start();
  const resolver = new Resolver({ servers: [server.address], dnssec: 'off', timeoutMs: 60_000 });
  onTestFinished(async () => {
    resolver.close();
    await server.close();
  });
  return { server, resolver };
}

/** A TCP server on one loopback address; other addresses refuse its port. */
async function listen(address: string): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  server.listen(0, address);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Opens sockets that never come up, save to `answering`; keeps what was opened. */
function blackHoles(answering?: string) {
  const opened = new Map<string, Socket>();
  const open = (host: string, port: number) => {
    const socket = host === answering ? connect({ host: '127.0.0.1', port }) : new Socket();
    opened.set(host, socket);
    return socket;
  };
  return { open, opened };
}

const addresses = (...data: string[]): ZoneRecord[] =>
  data.map((one) => ({ name: 'host.example', type: one.includes(':') ? 'AAAA' : 'A', data: one }));

describe('connecting to an endpoint', () => {
  it('gives the socket and the address that answered', async () => {
    const port = await listen('127.0.0.1');
    const { resolver } = await setUp(addresses('127.0.0.1'));
    const { socket, address } = await connectEndpoint(resolver, { host: 'host.example', port }, { timeoutMs: 5_000 });
    expect(address).toBe('127.0.0.1');
    expect([socket.remotePort, socket.listenerCount('error'), socket.listenerCount('connect')]).toEqual([port, 0, 0]);
    socket.destroy();
  });

  it('needs no DNS for an IP address', async () => {
    const port = await listen('127.0.0.1');
    const { server, resolver } = await setUp([]);
    const { socket } = await connectEndpoint(resolver, { host: '127.0.0.1', port }, { timeoutMs: 5_000 });
    socket.destroy();
    expect(server.asked).toEqual([]);
  });

  it('goes on at once when an address refuses, through all of them and both families', async () => {
    const port = await listen('127.0.0.4');
    const { resolver } = await setUp(addresses('127.0.0.2', '127.0.0.3', '127.0.0.4', '::1'));
    const options = { timeoutMs: 5_000, attemptDelayMs: 60_000 };
    const { socket, address } = await connectEndpoint(resolver, { host: 'host.example', port }, options);
    socket.destroy();
    expect(address).toBe('127.0.0.4');
  });

  it('gives an address that stays silent a head start, tries families in turn, and ends the losers', async () => {
    const port = await listen('127.0.0.1');
    const { resolver } = await setUp(addresses('192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'));
    const { open, opened } = blackHoles('192.0.2.2');
    const options = { timeoutMs: 5_000, attemptDelayMs: 5, open };
    const { socket, address } = await connectEndpoint(resolver, { host: 'host.example', port }, options);
    expect(address).toBe('192.0.2.2');
    expect([...opened.keys()]).toEqual(['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2']);
    const losers = [...opened.values()].filter((one) => one !== socket);
    expect(losers.map((loser) => loser.destroyed)).toEqual([true, true, true]);
    socket.destroy();
  });

  it('neither waits for an AAAA answer that does not come, nor goes on asking once connected', async () => {
    const port = await listen('127.0.0.1');
    const { server, resolver } = await setUp(addresses('127.0.0.1'));
    server.whim = ({ type }) => (type === 'AAAA' ? 'drop' : undefined);
    const { socket, address } = await connectEndpoint(resolver, { host: 'host.example', port }, { timeoutMs: 5_000 });
    expect(address).toBe('127.0.0.1');
    socket.destroy();
    server.whim = undefined;
    // A lookup still under way would be joined, and wait for the lost answer.
    expect((await resolver.aaaa('host.example')).records).toEqual([]);
    expect(server.count('host.example', 'AAAA')).toBe(2);
  });
});

describe('connecting in vain', () => {
  it('names every address and what became of it', async () => {
    const port = await listen('127.0.0.1');
    const { resolver } = await setUp(addresses('127.0.0.2', '127.0.0.3'));
    const outcome = connectEndpoint(resolver, { host: 'host.example', port }, { timeoutMs: 5_000 });
    await expect(outcome).rejects.toMatchObject({
      code: 'remote-unreachable',
      message: `No connection to host.example port ${port}; tried: 127.0.0.2 (ECONNREFUSED), 127.0.0.3 (ECONNREFUSED).`,
    });
  });

  it('ends in time, and ends what it began', async () => {
    const { resolver } = await setUp(addresses('192.0.2.1', '192.0.2.2'));
    const { open, opened } = blackHoles();
    const options = { timeoutMs: 500, attemptDelayMs: 1, open };
    await expect(connectEndpoint(resolver, { host: 'host.example', port: 1 }, options)).rejects.toMatchObject({
      code: 'remote-unreachable',
      message: expect.stringContaining('192.0.2.1 (no answer), 192.0.2.2 (no answer)'),
    });
    expect([...opened.values()].map((socket) => socket.destroyed)).toEqual([true, true]);
  });

  it('ends when aborted, before and while connecting', async () => {
    const { resolver } = await setUp([]);
    const controller = new AbortController();
    const { open, opened } = blackHoles();
    const options = { timeoutMs: 60_000, open, signal: controller.signal };
    const waiting = connectEndpoint(resolver, { host: '192.0.2.1', port: 1 }, options);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(opened.get('192.0.2.1')?.destroyed).toBe(true);
    await expect(connectEndpoint(resolver, { host: '192.0.2.2', port: 1 }, options)).rejects.toThrow('enough');
    expect(opened.has('192.0.2.2')).toBe(false);
  });

  it('tells a host without address from one that DNS could not find out about', async () => {
    const { server, resolver } = await setUp([]);
    const attempt = (host: string) => connectEndpoint(resolver, { host, port: 1 }, { timeoutMs: 5_000 });
    await expect(attempt('host.example')).rejects.toMatchObject({ code: 'remote-not-found' });
    server.whim = ({ type }) => (type === 'A' ? 'servfail' : undefined);
    await expect(attempt('other.example')).rejects.toMatchObject({ code: 'dns-failed' });
  });
});
