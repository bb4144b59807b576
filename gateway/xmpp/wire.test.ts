import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connected, type RawPeer } from './testing/raw-peer.fixture.ts';
import { Watch } from './testing/watch.fixture.ts';
import { Wire } from './wire.ts';

const stallMs = 60_000;

describe('A wire', () => {
  const watch = new Watch();
  let wire: Wire;
  let far: RawPeer;
  let got: string;
  let drained: number;
  let ends: (Error | undefined)[];

  beforeEach(async () => {
    const pair = await connected();
    far = pair.far;
    got = '';
    drained = 0;
    ends = [];
    wire = new Wire(
      pair.near,
      {
        data: (chunk) => {
          got += chunk;
          watch.changed();
        },
        drain: () => {
          drained++;
          watch.changed();
        },
        closed: (error) => {
          ends.push(error);
          watch.changed();
        },
      },
      stallMs,
    );
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    wire.destroy();
    far.socket.destroy();
  });

  /** Writes until the kernel takes no more and the wire is full. */
  const fill = (): void => {
    while (!wire.full) {
      wire.write(Buffer.alloc(64 * 1024));
      wire.flush();
    }
  };

  it('writes what one turn wrote in one piece, in order', async () => {
    let chunks = 0;
    far.socket.on('data', () => chunks++);
    for (const text of ['a', 'b', 'c']) wire.write(text);
    await far.read(/^abc$/);
    expect(chunks).toBe(1);
  });

  it('hands on what comes, and nothing while paused', async () => {
    far.write('one');
    await watch.until(() => got === 'one');
    wire.pause();
    expect(wire.paused).toBe(true);
    far.write('two');
    wire.write('still writes');
    await far.read(/still writes/);
    expect(got).toBe('one');
    wire.resume();
    await watch.until(() => got === 'onetwo');
  });

  it('ends a peer that does not read', async () => {
    far.socket.pause();
    fill();
    expect(wire.backlog).toBeGreaterThan(256 * 1024);
    vi.advanceTimersByTime(stallMs);
    expect(ends).toEqual([expect.objectContaining({ message: 'The peer does not read.' })]);
    expect(wire.closed).toBe(true);
  });

  it('lets a slow peer live that reads a little, and tells when there is room', async () => {
    far.socket.pause();
    fill();
    const { length } = far.text;
    vi.advanceTimersByTime(stallMs - 1);
    far.socket.resume();
    await watch.until(() => drained > 0);
    expect(far.text.length).toBeGreaterThan(length);
    vi.advanceTimersByTime(stallMs);
    expect(ends).toEqual([]);
    expect(wire.full).toBe(false);
  });

  it('measures what moves, not what is left: steady traffic to a slow peer never drains', async () => {
    far.socket.pause();
    fill();
    wire.write(Buffer.alloc(64 * 1024 * 1024));
    wire.flush();
    const before = wire.backlog;
    vi.advanceTimersByTime(stallMs - 1);
    far.socket.on('data', () => {
      if (wire.backlog === before) return;
      far.socket.pause();
      watch.changed();
    });
    far.socket.resume();
    await watch.until(() => wire.backlog < before);
    vi.advanceTimersByTime(1);
    expect([ends, drained]).toEqual([[], 0]);
    vi.advanceTimersByTime(stallMs);
    expect(ends).toHaveLength(1);
  });

  it('tells its end once, and takes nothing more', async () => {
    far.cut();
    await watch.until(() => ends.length > 0);
    wire.write('late');
    wire.flush();
    wire.end();
    wire.destroy();
    expect(ends).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('answers the end of the peer with its own, behind what it still had to write', async () => {
    wire.write('last words');
    far.socket.end();
    await watch.until(() => ends.length > 0);
    expect(ends).toEqual([undefined]);
    expect(far.text).toBe('last words');
  });
});
