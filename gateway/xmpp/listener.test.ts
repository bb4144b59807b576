import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { originOf } from '../../policies/address.ts';
import { Gate, Listener, type ListenerLimits } from './listener.ts';
import { Watch } from './testing/watch.fixture.ts';

describe('Where a connection comes from', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['', ''],
  ])('%s is of %s', (address, origin) => {
    expect(originOf(address)).toBe(origin);
  });

  it('is one and the same for all of a /64', () => {
    expect(new Set(['2001:db8::1', '2001:db8::ffff', '2001:db8:0:0:1:2:3:4'].map(originOf)).size).toBe(1);
  });
});

describe('The gate', () => {
  const open: ListenerLimits = { connections: 100, perAddress: 100, attempts: { count: 100, periodMs: 60_000 } };
  const clients: Socket[] = [];
  const listeners: Listener[] = [];
  const watch = new Watch();

  async function listening(limits: Partial<ListenerLimits>) {
    const gate = new Gate({ ...open, ...limits });
    const accepted: Socket[] = [];
    const refused: string[] = [];
    const listener = new Listener({
      host: '127.0.0.1',
      port: 0,
      gate,
      onConnection: (socket) => {
        socket.on('error', () => {});
        socket.on('close', () => watch.changed());
        accepted.push(socket);
        watch.changed();
      },
      onRefused: (address) => {
        refused.push(address);
        watch.changed();
      },
    });
    listeners.push(listener);
    const { port } = await listener.listen();
    const arrive = async (from: string): Promise<Socket> => {
      const [before, beforeRefused] = [accepted.length, refused.length];
      const client = connect({ host: '127.0.0.1', port, localAddress: from });
      client.on('error', () => {});
      client.resume();
      clients.push(client);
      await watch.until(() => accepted.length > before || refused.length > beforeRefused);
      return client;
    };
    return { gate, accepted, refused, arrive };
  }

  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
    for (const listener of listeners.splice(0)) listener.close();
  });

  it('counts connections in and out, in all and per address', async () => {
    const { gate, accepted, refused, arrive } = await listening({ connections: 3, perAddress: 2 });
    const first = await arrive('127.0.0.1');
    await arrive('127.0.0.1');
    await arrive('127.0.0.1');
    expect([accepted.length, refused]).toEqual([2, ['127.0.0.1']]);
    await arrive('127.0.0.2');
    expect(gate.connections).toBe(3);
    await arrive('127.0.0.3');
    expect(refused).toEqual(['127.0.0.1', '127.0.0.3']);
    first.destroy();
    await watch.until(() => gate.connections === 2);
    await arrive('127.0.0.1');
    expect(accepted).toHaveLength(4);
    expect(gate.connections).toBe(3);
  });

  it('refuses an address that comes too often, and counts nothing for it', async () => {
    const { gate, accepted, refused, arrive } = await listening({ attempts: { count: 2, periodMs: 60_000 } });
    for (let n = 0; n < 2; n++) (await arrive('127.0.0.1')).destroy();
    const third = await arrive('127.0.0.1');
    expect([accepted.length, refused.length]).toEqual([2, 1]);
    if (!third.destroyed) await once(third, 'close');
    await watch.until(() => gate.connections === 0);
    await arrive('127.0.0.2');
    expect(accepted).toHaveLength(3);
  });

  it('reads nothing of what it refuses, and hands over what it accepts unread', async () => {
    const { accepted, arrive } = await listening({});
    const client = await arrive('127.0.0.1');
    client.write('hello');
    const [socket] = accepted;
    const [chunk] = (await once(socket as Socket, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('hello');
  });

  it('says why it cannot listen', async () => {
    const gate = new Gate(open);
    const taken = new Listener({ host: '127.0.0.1', port: 0, gate, onConnection: () => {}, onRefused: () => {} });
    listeners.push(taken);
    const { port } = await taken.listen();
    const second = new Listener({ host: '127.0.0.1', port, gate, onConnection: () => {}, onRefused: () => {} });
    await expect(second.listen()).rejects.toMatchObject({
      code: 'listen-failed',
      message: expect.stringContaining(`127.0.0.1:${port}`),
      cause: { code: 'EADDRINUSE', port },
    });
  });
});
