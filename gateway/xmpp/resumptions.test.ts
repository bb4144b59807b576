import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type TestEdge, TestNet } from './testing/edge.fixture.ts';
import { type RawFeatures, RawPartner, readIds } from './testing/raw-partner.fixture.ts';
import type { RawPeer } from './testing/raw-peer.fixture.ts';
import { message, numbers } from './testing/recording.fixture.ts';

const home = 'h.example';
const partner = 'p.example';
const session = "id='s1' resume='true'";
const doubtful = (...ids: string[]): string[] => ids.map((id) => `${id}: delivery-doubtful`);
const confirm = (h: number): string => `<a xmlns='urn:xmpp:sm:3' h='${h}'/>`;
const resumed = (h: number): string => `<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='${h}'/>`;
const failed = (h = ''): string =>
  `<failed xmlns='urn:xmpp:sm:3'${h}><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`;

describe('An outgoing stream that broke', () => {
  let net: TestNet;
  let raw: RawPartner;
  let side: TestEdge;

  beforeEach(async () => {
    net = await TestNet.start();
    raw = await RawPartner.start(net, partner);
    side = await net.edge({ domains: [home], accepts: ['dialback'], options: { tlsRequired: false } });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await raw.close();
    await net.close();
  });

  const send = (...ids: string[]): void => {
    for (const id of ids) side.edge.send(home, partner, message(`u@${home}`, `v@${partner}`, id));
  };
  const bounced = (): string[] => side.host.bounced.map(({ stanza, reason }) => `${stanza.id}: ${reason}`);
  /** Breaks a stream over `count` stanzas, of which the peer has confirmed so many. */
  const broken = async (count: number, confirmed: number, offers: RawFeatures = { sm: true, session }) => {
    send(...numbers(count));
    const stream = await raw.stream(offers);
    await readIds(stream, count);
    stream.write(`${confirm(confirmed)}<r xmlns='urn:xmpp:sm:3'/>`);
    await stream.read(/<a [^>]*\/>/);
    await cut(stream);
  };
  const cut = async (stream: RawPeer): Promise<void> => {
    const before = side.journal.of({ event: 'stream-closed' }).length;
    stream.cut();
    await side.journal.seen({ event: 'stream-closed' }, before + 1);
  };
  /** The stream that follows, up to what it asks for. */
  const asking = async (offers: RawFeatures = { sm: true }): Promise<{ stream: RawPeer; asked: string }> => {
    const stream = await raw.opened(offers);
    await raw.believe(stream);
    const asked = await stream.read(/<(resume|enable) [^>]*\/>/);
    return { stream, asked: /<(resume|enable) .*/.exec(asked)?.[0] ?? '' };
  };

  it('is resumed: what the peer has handled is done, and the rest comes next and in order', async () => {
    await broken(10, 4);
    send(...numbers(3, 11));
    const { stream, asked } = await asking();
    expect(asked).toBe("<resume xmlns='urn:xmpp:sm:3' previd='s1' h='0'/>");
    expect(stream.text).not.toContain('<message');
    stream.write(resumed(7));
    expect(await readIds(stream, 6)).toEqual(numbers(6, 8));
    stream.write(confirm(13));
    send('14');
    expect(await readIds(stream, 1)).toEqual(['14']);
    expect(bounced()).toEqual([]);
    expect(side.journal.of({ event: 'stream-resumed' })).toMatchObject([{ home, partner, direction: 'outbound' }]);
  });

  it('is resumed again and again, while something gets through', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await broken(5, 0);
    for (let h = 1; h <= 5; h++) {
      vi.advanceTimersByTime(1_000);
      const { stream, asked } = await asking();
      expect(asked).toContain("previd='s1'");
      stream.write(resumed(h));
      if (h === 5) break;
      await readIds(stream, 5 - h);
      await cut(stream);
    }
    expect(bounced()).toEqual([]);
  });

  it('is given up when its first stanza does not get through for the fourth time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await broken(2, 0);
    for (let attempt = 1; attempt <= 4; attempt++) {
      vi.advanceTimersByTime(5_000);
      const { stream } = await asking();
      stream.write(resumed(0));
      expect(await readIds(stream, 2)).toEqual(['1', '2']);
      await cut(stream);
    }
    expect(await side.host.bounces(2)).toEqual(doubtful('1', '2'));
  });

  it.each([
    ['that it remembers how far it came', failed(" h='6'"), numbers(4, 7)],
    ['nothing', failed(), numbers(6, 5)],
    ['a number that it never got to', failed(" h='11'"), numbers(6, 5)],
  ])('is in doubt as far as the peer does not know it: it says %s', async (_, answer, inDoubt) => {
    await broken(10, 4);
    send('11');
    const { stream } = await asking();
    stream.write(answer);
    await stream.read(/<enable xmlns='urn:xmpp:sm:3' resume='true'\/>/);
    expect(await side.host.bounces(inDoubt.length)).toEqual(doubtful(...inDoubt));
    expect(stream.text).not.toContain('<message');
    stream.write("<enabled xmlns='urn:xmpp:sm:3'/>");
    expect(await readIds(stream, 1)).toEqual(['11']);
  });

  it('is in doubt when the peer has no stream management any more', async () => {
    await broken(2, 1);
    send('3');
    expect(await readIds(await raw.stream(), 1)).toEqual(['3']);
    expect(bounced()).toEqual(doubtful('2'));
  });

  it.each([
    ['for no time at all', "id='s1' resume='true' max='0'"],
    ['not at all', "id='s1'"],
    ['without an id', "resume='true'"],
  ])('is in doubt at once where the peer lets it be resumed %s', async (_, granted) => {
    await broken(2, 1, { sm: true, session: granted });
    expect(bounced()).toEqual(doubtful('2'));
  });

  it('ends the stream that would resume it, where the peer confirms what it never got', async () => {
    await broken(2, 1);
    const { stream } = await asking();
    stream.write(resumed(3));
    expect(await stream.read(/<\/stream:error>/)).toContain(
      "<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
        "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='3' send-count='2'/>",
    );
    stream.socket.destroy();
    const { stream: next } = await asking();
    next.write(resumed(2));
    next.write("<r xmlns='urn:xmpp:sm:3'/>");
    expect(await next.read(/<a [^>]*\/>/)).toContain("h='0'");
    expect(bounced()).toEqual([]);
  });

  it('is in doubt where the partner proves no longer who it is', async () => {
    await broken(2, 1);
    side.host.accepts.set('*', ['certificate']);
    await raw.opened({ sm: true });
    expect(await side.host.bounces(1)).toEqual(doubtful('2'));
    expect(side.journal.of({ event: 'partner-unreachable' })).toMatchObject([{ retryMs: undefined }]);
  });

  it('is in doubt when the edge closes before it is resumed', async () => {
    await broken(2, 1);
    expect(side.edge.load).toMatchObject({ outgoing: 0, queued: 1 });
    await raw.close();
    vi.useFakeTimers({ toFake: ['Date'] });
    const closing = side.edge.close();
    await new Promise(setImmediate); // its time begins
    vi.advanceTimersByTime(5_000);
    await closing;
    expect(bounced()).toEqual(doubtful('2'));
  });

  it('is resumed for the sake of the peer too, where it was bidirectional', async () => {
    send('1');
    const first = await raw.opened({ sm: true, bidi: true });
    await first.read(/<bidi /);
    await raw.believe(first);
    await first.read(/<enable [^>]*\/>/);
    const presence = `<presence from='v@${partner}' to='u@${home}'/>`;
    first.write(`<enabled xmlns='urn:xmpp:sm:3' ${session}/>${presence}${presence}`);
    await readIds(first, 1);
    first.write(`${confirm(1)}<r xmlns='urn:xmpp:sm:3'/>`);
    await first.read(/<a [^>]*h='2'\/>/);
    await cut(first);
    const { stream, asked } = await asking({ sm: true, bidi: true });
    expect(asked).toContain("h='2'");
    stream.write(`${resumed(1)}${presence}<r xmlns='urn:xmpp:sm:3'/>`);
    expect(await stream.read(/<a [^>]*\/>/)).toContain("h='3'");
  });

  it('is asked about when the peer closed it in good order and had not confirmed all', async () => {
    send(...numbers(3));
    const first = await raw.stream({ sm: true, session });
    await readIds(first, 3);
    first.write(`${confirm(1)}</stream:stream>`);
    await first.read(/<\/stream:stream>/);
    first.socket.end();
    const { stream } = await asking();
    stream.write(failed(" h='3'"));
    await stream.read(/<enable /);
    expect(bounced()).toEqual([]);
  });

  it('is not resumed after an error of either side', async () => {
    send('1');
    const stream = await raw.stream({ sm: true, session });
    await readIds(stream, 1);
    stream.write('<stream:error><reset/></stream:error></stream:stream>');
    expect(await side.host.bounces(1)).toEqual(doubtful('1'));
    send('2');
    const { asked } = await asking();
    expect(asked).toMatch(/^<enable /);
  });
});
