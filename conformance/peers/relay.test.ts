import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Relay } from './relay.ts';

const address = '127.0.0.1';

/** Takes exactly what is expected; throws when something else comes. */
async function read(socket: Socket, expected: string): Promise<void> {
  let text = '';
  while (text.length < expected.length) {
    const chunk = socket.read();
    if (chunk === null) await once(socket, 'readable');
    else text += chunk;
  }
  expect(text).toBe(expected);
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

describe('A relay', () => {
  let server: Server;
  let relay: Relay;
  let caller: Socket;
  let target: Socket;

  const join = async (): Promise<void> => {
    const arrival = once(server, 'connection');
    caller = connect({ host: address, port: relay.port, allowHalfOpen: true });
    [target] = await arrival;
    for (const socket of [caller, target]) socket.on('error', () => {});
  };

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }).listen({ host: address, port: 0 });
    await once(server, 'listening');
    const free = createServer().listen({ host: address, port: 0 });
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    relay = await Relay.start({ address, port, target: { address, port: (server.address() as AddressInfo).port } });
    await join();
  });
  afterEach(async () => {
    caller.destroy();
    target.destroy();
    await relay.close();
    server.close();
  });

  it('passes both directions, and each end of its own', async () => {
    caller.write('there');
    await read(target, 'there');
    target.write('back');
    await read(caller, 'back');
    caller.end();
    target.resume();
    await once(target, 'end');
    target.write('still');
    await read(caller, 'still');
  });

  it('reads nothing of the caller while it is paused, and everything afterwards', async () => {
    relay.pause();
    caller.write('held');
    target.write('free');
    await read(caller, 'free');
    expect(target.readableLength).toBe(0);
    relay.resume();
    await read(target, 'held');
  });

  it('holds back, in order, as long as it is told to', async () => {
    relay.delay(20);
    caller.write('a');
    await read(target, 'a');
    caller.write('b');
    caller.end('c');
    await read(target, 'bc');
  });

  it('reads nothing of either side while both directions are paused', async () => {
    relay.pause('there', 'back');
    caller.write('held');
    target.write('held too');
    relay.resume();
    await Promise.all([read(target, 'held'), read(caller, 'held too')]);
  });

  it('keeps the order when the delay is lowered', async () => {
    const delays = [60, 0];
    relay.delay(() => delays.shift() ?? 0);
    caller.write('slow');
    await vi.waitFor(() => expect(relay.kept).toBe(4), { interval: 1 });
    caller.write('fast');
    await read(target, 'slowfast');
  });

  it('ends the direction to the caller alone', async () => {
    relay.halfClose('back');
    caller.resume();
    await once(caller, 'end');
    caller.write('still');
    await read(target, 'still');
  });

  it('drops the attempts that it is told to', async () => {
    relay.refuse(1);
    const dropped = connect({ host: address, port: relay.port });
    dropped.on('error', () => {});
    await closed(dropped.resume());
    await join();
    caller.write('again');
    await read(target, 'again');
  });

  it('swallows what stands without a word, and takes new connections', async () => {
    const [oldCaller, oldTarget] = [caller, target];
    relay.swallow();
    oldCaller.write('lost');
    oldTarget.end('lost too');
    await join();
    caller.write('new');
    await read(target, 'new');
    expect([oldTarget.readableLength, oldCaller.readableLength]).toEqual([0, 0]);
    expect([oldTarget.readableEnded, oldCaller.readableEnded]).toEqual([false, false]);
    oldCaller.destroy();
    oldTarget.destroy();
  });

  it("lets a newer connection's bytes overtake those of one that its caller believes gone", async () => {
    const oldTarget = target;
    relay.detain();
    caller.write('late');
    await vi.waitFor(() => expect(relay.kept).toBe(4), { interval: 1 });
    const gone = closed(caller.resume());
    relay.strand();
    await gone;
    await join();
    caller.write('early');
    await read(target, 'early');
    expect(oldTarget.readableLength).toBe(0);
    relay.release();
    await read(oldTarget, 'late');
    oldTarget.resume();
    await once(oldTarget, 'end');
    oldTarget.destroy();
  });

  it('delivers what was on its way when its caller has given up', async () => {
    relay.detain();
    caller.write('late');
    await vi.waitFor(() => expect(relay.kept).toBe(4), { interval: 1 });
    const gone = closed(caller);
    caller.destroy();
    await gone;
    relay.release();
    await read(target, 'late');
    target.resume();
    await once(target, 'end');
  });

  it('ends the direction to the target alone', async () => {
    relay.halfClose();
    target.resume();
    await once(target, 'end');
    target.write('still');
    await read(caller, 'still');
  });

  it('cuts what stands and takes new connections', async () => {
    const ends = Promise.all([closed(caller), closed(target)]);
    caller.resume();
    target.resume();
    relay.cut();
    await ends;
    await join();
    caller.write('again');
    await read(target, 'again');
    expect(relay.accepted).toBe(2);
  });

  it('is gone once it is closed', async () => {
    const ends = Promise.all([closed(caller), closed(target)]);
    caller.resume();
    target.resume();
    await relay.close();
    await ends;
    const late = connect({ host: address, port: relay.port });
    const [error] = await once(late, 'error');
    expect(error.code).toBe('ECONNREFUSED');
    expect(relay.connections).toBe(0);
  });
});
