import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RawStream, streamHeader } from '../../conformance/peers/raw.ts';
import type { Taken } from '../bridge/ports.ts';
import { type TestEdge, TestNet } from './testing/edge.fixture.ts';
import { RawPartner, readIds } from './testing/raw-partner.fixture.ts';
import { message } from './testing/recording.fixture.ts';
import { CLOSE_MS } from './xml-stream.ts';

const home = 'h.example';
const partner = 'p.example';
const keepAliveMs = 180_000;
const idleMs = 600_000;

/** Lets so many ms pass for everything that looks at the clock, and one round of the edge. */
function pass(ms: number): void {
  vi.setSystemTime(Date.now() + ms - 10_000);
  vi.advanceTimersByTime(10_000);
}

describe('Liveness', () => {
  let net: TestNet;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    net = await TestNet.start();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await net.close();
  });

  describe('towards a partner', () => {
    let raw: RawPartner;
    let side: TestEdge;
    const options = { tlsRequired: false, keepAliveMs, idleMs };
    const send = (id: string): Taken => side.edge.send(home, partner, message(`u@${home}`, `v@${partner}`, id));

    beforeEach(async ({ task }) => {
      // Faked from the start, or not at all: a clock that is replaced forgets what was set on it.
      if (task.name.startsWith('waits')) {
        vi.useRealTimers();
        vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
      }
      raw = await RawPartner.start(net, partner);
      side = await net.edge({ domains: [home], accepts: ['dialback'], options });
    });
    afterEach(() => raw.close());

    it('probes a silent stream by its stream management', async () => {
      send('1');
      const stream = await raw.stream({ sm: true });
      await stream.read(/<r [^>]*\/>/);
      stream.write("<a xmlns='urn:xmpp:sm:3' h='1'/><r xmlns='urn:xmpp:sm:3'/>");
      await stream.read(/<a [^>]*\/>/);
      pass(keepAliveMs - 1);
      pass(10_001);
      await stream.read(/^<r [^>]*\/>/);
      stream.write("<a xmlns='urn:xmpp:sm:3' h='1'/><r xmlns='urn:xmpp:sm:3'/>");
      await stream.read(/<a [^>]*\/>/);
      pass(70_000);
      send('2');
      expect(await stream.read(/<\/message>/)).toMatch(/^<message/);
      expect(side.journal.of({ event: 'stream-closed' })).toEqual([]);
    });

    it('asks by a ping where there is no stream management, and takes the answer from the stream of the peer', async () => {
      send('1');
      const stream = await raw.stream();
      await readIds(stream, 1);
      const back = await RawStream.connect({ address: '127.0.0.1', port: side.port });
      await back.write(
        `${streamHeader({ from: partner, to: home })}<db:result from='${partner}' to='${home}'>key</db:result>`,
      );
      const question = await stream.read(/<db:verify [^>]*>key<\/db:verify>/);
      const id = /<db:verify [^>]*id='([^']*)'/.exec(question)?.[1];
      stream.write(`<db:verify from='${partner}' to='${home}' id='${id}' type='valid'/>`);
      await back.read(/<db:result [^>]*type='valid'\/>/);

      pass(keepAliveMs + 1);
      const ping = await stream.read(/<iq type='get' id='drawbridge-ping-.*<\/iq>/);
      expect(ping).toMatch(/from='h\.example' to='p\.example'><ping xmlns='urn:xmpp:ping'\/><\/iq>$/);
      const pingId = /id='(drawbridge-ping-[^']*)'/.exec(ping)?.[1];
      await back.write(`<iq type='result' id='${pingId}' from='${partner}' to='${home}'/>`);
      await back.write(`<message from='v@${partner}' to='u@${home}' id='after'/>`);
      expect(await side.host.ids(1)).toEqual(['after']);

      // Answered, it is asked again only after as long a silence.
      pass(keepAliveMs - 10_000);
      send('2');
      expect(await stream.read(/<\/message>/)).toMatch(/^<message/);
      pass(20_000);
      await stream.read(/^<iq type='get'/);
      await back.close();
    });

    it.each([
      ['ping', false],
      ['stream management', true],
    ])('drops a stream whose peer answers no %s, and seeks another', async (_, sm) => {
      send('1');
      const stream = await raw.stream({ sm });
      await readIds(stream, 1);
      pass(keepAliveMs + 1);
      await stream.read(sm ? /<r [^>]*\/>/ : /<ping /);
      pass(60_001);
      await stream.over();
      expect(await side.journal.seen({ event: 'stream-closed' })).toMatchObject({ reason: 'stream-idle' });
      send('2');
      expect(await readIds(await raw.stream(), 1)).toEqual(['2']);
      expect(side.host.bounced.map(({ reason }) => reason)).toEqual(sm ? ['delivery-doubtful'] : []);
    });

    it('closes a stream that carries nothing', async () => {
      send('1');
      const stream = await raw.stream();
      await readIds(stream, 1);
      stream.write(' ');
      pass(idleMs + 1);
      await stream.read(/<\/stream:stream>$/);
      expect(stream.text).not.toContain('stream:error');
      stream.write('</stream:stream>');
      expect(await side.journal.seen({ event: 'stream-closed' })).toMatchObject({ reason: 'stream-idle' });
    });

    it('waits no longer than it must for the end of an idle stream, and tells who sent what was not confirmed', async () => {
      send('1');
      const stream = await raw.stream({ sm: true });
      await readIds(stream, 1);
      pass(idleMs + 1);
      await stream.read(/<\/stream:stream>$/);
      vi.advanceTimersByTime(CLOSE_MS);
      await side.journal.seen({ event: 'stream-closed' });
      expect(await side.host.bounces(1)).toEqual(['1: delivery-doubtful']);
    });
  });

  describe('between two edges', () => {
    it('ends streams with reset when a certificate has run out, on either side', async () => {
      const notAfter = new Date(Date.now() + 3_600_000);
      const [one, two] = await Promise.all([
        net.edge({ domains: ['a.example'], options: { bidi: false } }),
        net.edge({
          domains: ['b.example'],
          options: { bidi: false, idleMs: 7_200_000 },
          certificate: await net.issue({ domains: ['b.example'], notAfter }),
        }),
      ]);
      one.edge.send('a.example', 'b.example', message('u@a.example', 'v@b.example', '1'));
      await two.host.ids(1);
      two.edge.send('b.example', 'a.example', message('v@b.example', 'u@a.example', '2'));
      await one.host.ids(1);
      pass(3_610_000);
      // Towards b, whose certificate it was: from a as the stream's initiator, and as its receiver.
      expect(await one.journal.seen({ event: 'stream-refused', reason: 'certificate-expired' })).toMatchObject({
        direction: 'inbound',
        condition: 'reset',
      });
      expect(await one.journal.seen({ event: 'stream-closed', direction: 'outbound' })).toMatchObject({
        reason: 'certificate-expired',
      });
      expect(await two.journal.seen({ event: 'stream-closed', direction: 'inbound' })).toMatchObject({
        detail: 'The peer ended the stream: reset.',
      });
    });

    it('closes what they opened and carries nothing, each for itself', async () => {
      const [one, two] = await Promise.all([
        net.edge({ domains: ['a.example'] }),
        net.edge({ domains: ['b.example'], options: { idleMs: 60_000 } }),
      ]);
      one.edge.send('a.example', 'b.example', message('u@a.example', 'v@b.example', '1'));
      await two.host.ids(1);
      pass(60_001);
      expect(await two.journal.seen({ event: 'stream-closed', direction: 'inbound' })).toMatchObject({
        reason: 'stream-idle',
      });
      expect(await one.journal.seen({ event: 'stream-closed', direction: 'outbound' })).toMatchObject({
        reason: undefined,
      });
      expect(one.edge.load).toMatchObject({ outgoing: 0 });
    });
  });
});
