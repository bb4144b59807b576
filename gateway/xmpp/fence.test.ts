import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stanza } from '../bridge/stanza.ts';
import { Fences } from './fence.ts';
import { ns } from './namespaces.ts';
import type { ScannedElement } from './start-tag.ts';
import { connected, type RawPeer } from './testing/raw-peer.fixture.ts';
import { message, numbers } from './testing/recording.fixture.ts';
import { XmlStream } from './xml-stream.ts';

const pair = { home: 'h.example', partner: 'p.example' };
const stanza = (id: string): Stanza => message('u@h.example', 'v@p.example', id);
const answer = (id: string, type = 'result'): ScannedElement => ({
  namespace: ns.server,
  name: 'iq',
  from: 'p.example',
  to: 'h.example',
  type,
  id,
  lang: '',
  childNamespace: '',
  childName: '',
  children: 0,
  bytes: Buffer.from(''),
});

describe('A fence', () => {
  let near: Socket;
  let far: RawPeer;
  let xml: XmlStream;
  let fences: Fences;
  let rooms: number;
  const raise = () => fences.raise(xml, pair, () => rooms++);
  const ping = async (): Promise<string> =>
    /id='(drawbridge-[^']*)'/.exec(await far.read(/<iq type='get'.*?<\/iq>/))?.[1] ?? '';
  const left = (fence: NonNullable<ReturnType<typeof raise>>, allRead = false): Promise<string[]> =>
    new Promise((resolve) =>
      fence.close(allRead, ({ doubtful, unsent }) => resolve([...doubtful, ...unsent].map(({ id }) => id))),
    );

  beforeEach(async () => {
    ({ near, far } = await connected());
    xml = new XmlStream(
      near,
      {
        contentNamespace: ns.server,
        limits: { elementBytes: 10_000, depth: 10, attributes: 10 },
      },
      { header: () => {}, element: () => {}, drain: () => {}, closed: () => {} },
    );
    fences = new Fences(() => {});
    rooms = 0;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    xml.destroy();
    far.socket.destroy();
  });

  it('stands behind each stanza, and its answer confirms all in front of it', async () => {
    const fence = raise();
    for (const id of numbers(3)) fence?.send(stanza(id));
    const text = await far.read(/-3' .*<\/iq>/);
    expect(text).toMatch(
      /id='1'.*-1' .*id='2'.*-2' .*id='3'.*<iq type='get' id='drawbridge-receipt-[0-9a-f]+-3' from='h\.example' to='p\.example'><ping xmlns='urn:xmpp:ping'\/><\/iq>$/,
    );
    expect(fences.pong(answer(/id='(drawbridge-[^']*-3)'/.exec(text)?.[1] ?? ''))).toBe(true);
    expect(rooms).toBe(1);
    expect(fence && (await left(fence))).toEqual([]);
  });

  it('is passed by an error as well as by a result', async () => {
    const fence = raise();
    fence?.send(stanza('1'));
    expect(fences.pong(answer(await ping(), 'error'))).toBe(true);
    expect(fence && (await left(fence))).toEqual([]);
  });

  it('leaves to be sent again what lies behind the last one answered', async () => {
    const fence = raise();
    fence?.send(stanza('1'));
    fences.pong(answer(await ping()));
    vi.advanceTimersByTime(100);
    fence?.send(stanza('2'));
    await ping();
    fence?.send(stanza('3'));
    const remaining = fence && left(fence);
    vi.advanceTimersByTime(1_000);
    expect(await remaining).toEqual(['2', '3']);
  });

  it('still counts when its answer comes on another stream behind the end of its own', async () => {
    const fence = raise();
    fence?.send(stanza('1'));
    const id = await ping();
    const remaining = fence && left(fence);
    fences.pong(answer(id));
    expect(await remaining).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('counts for passed where the peer read its stream to the end', async () => {
    const fence = raise();
    fence?.send(stanza('1'));
    await ping();
    expect(fence && (await left(fence, true))).toEqual([]);
  });

  it('takes answers to no other question, and to each question of its own', () => {
    raise();
    expect(fences.pong(answer('1'))).toBe(false);
    expect(fences.pong(answer('drawbridge-receipt-00-1', 'get'))).toBe(false);
    expect(fences.pong(answer('drawbridge-receipt-unknown-1'))).toBe(true);
    expect(fences.pong(answer('drawbridge-receipt-'))).toBe(true);
    expect(rooms).toBe(0);
  });

  it('is not believed about stanzas that were never written', async () => {
    const fence = raise();
    fence?.send(stanza('1'));
    const id = await ping();
    fences.pong(answer(id.replace(/-1$/, '-2')));
    fences.pong(answer(id.replace(/-1$/, '-x')));
    const remaining = fence && left(fence);
    vi.advanceTimersByTime(1_000);
    expect(await remaining).toEqual(['1']);
  });

  it.each(['result', 'error'])(
    'does not stand behind a %s for the fence of a peer: two gateways would ask each other for ever',
    async (type) => {
      const fence = raise();
      const bytes = Buffer.from(`<iq type='${type}' id='theirs'/>`);
      fence?.send(stanza('1'));
      fence?.send({ ...stanza('drawbridge-receipt-00-1'), name: 'iq', type, bytes });
      expect(await far.read(/<iq [^>]*id='theirs'\/>/)).toMatch(
        /^<message .*<\/message><iq type='get' id='drawbridge-receipt-[0-9a-f]+-1'.*<iq type='/,
      );
      const asked = far.text.split('<ping').length;
      vi.advanceTimersByTime(1_000);
      fence?.send({ ...stanza('drawbridge-receipt-00-2'), name: 'iq', type, bytes });
      await far.read(/<iq [^>]*id='theirs'\/>/);
      expect(far.text.split('<ping')).toHaveLength(asked);
    },
  );

  it('is given up for a peer that answers none, which is spared further ones for an hour', async () => {
    const fence = raise();
    fence?.send(stanza('1'));
    await ping();
    vi.advanceTimersByTime(30_001);
    fence?.send(stanza('2'));
    expect(await far.read(/<message [^>]*id='2'.*<\/message>/)).not.toContain('<ping');
    expect(fence && (await left(fence))).toEqual([]);
    expect(raise()).toBeUndefined();
    expect(fences.raise(xml, { ...pair, partner: 'q.example' }, () => {})).toBeDefined();
    vi.advanceTimersByTime(3_600_000);
    expect(raise()).toBeDefined();
  });

  it('holds back what follows a full window, though not for ever', async () => {
    const fence = raise();
    for (const id of numbers(2000)) fence?.send(stanza(id));
    expect(fence?.full).toBe(true);
    vi.advanceTimersByTime(10_000);
    expect([fence?.full, rooms]).toEqual([false, 1]);
    fence?.send(stanza('2001'));
    const remaining = fence && left(fence);
    vi.advanceTimersByTime(1_000);
    expect(await remaining).toEqual(numbers(2000, 2));
  });

  it('leaves no timer once it is closed', async () => {
    const fence = raise();
    for (const id of numbers(2000)) fence?.send(stanza(id));
    const remaining = fence && left(fence);
    vi.advanceTimersByTime(1_000);
    expect(await remaining).toHaveLength(2000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
