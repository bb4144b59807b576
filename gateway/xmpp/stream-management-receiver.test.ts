import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RawPartner } from '../../conformance/peers/raw-partner.ts';
import type { KeyPair } from '../../pki/issue.ts';
import { VolatileStreamSessions } from './stream-sessions.ts';
import { RESUMPTION_MS } from './suspension.ts';
import { type TestEdge, type TestEdgeOptions, TestNet } from './testing/edge.fixture.ts';
import { message, numbers } from './testing/recording.fixture.ts';

const home = 'h.example';
const partner = 'p.example';
const bidi = "<bidi xmlns='urn:xmpp:bidi'/>";
const enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
const r = "<r xmlns='urn:xmpp:sm:3'/>";
const confirm = (h: number): string => `<a xmlns='urn:xmpp:sm:3' h='${h}'/>`;
const resume = (previd: string, h: number): string => `<resume xmlns='urn:xmpp:sm:3' previd='${previd}' h='${h}'/>`;
const failed = (condition: string, h = ''): string =>
  `<failed xmlns='urn:xmpp:sm:3'${h}><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`;
const stanza = (id: string, name = 'message'): string => `<${name} from='u@${partner}' to='v@${home}' id='${id}'/>`;
const idsIn = (text: string): string[] => [...text.matchAll(/<message [^>]*id='([^']*)'/g)].map(([, id]) => id ?? '');

describe('Stream management on a stream that a partner opened', () => {
  let net: TestNet;
  let certificate: KeyPair;
  let side: TestEdge;
  const open: RawPartner[] = [];

  beforeAll(async () => {
    net = await TestNet.start();
    certificate = await net.issue({ domains: [partner] });
  });
  afterAll(() => net.close());
  beforeEach(async () => {
    side = await edge();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await Promise.all(open.splice(0).map((one) => one.close()));
    await side.edge.close();
  });

  const edge = (wanted: Partial<TestEdgeOptions> = {}): Promise<TestEdge> =>
    net.edge({ domains: [home, 'h2.example'], ...wanted });
  const target = (at = side) => ({ address: '127.0.0.1', ports: { s2s: at.port } });
  const proven = async (early = '', { at = side, from = partner, to = home, pair = certificate } = {}) => {
    const peer = await RawPartner.proven(target(at), { from, to, certificate: pair }, early);
    open.push(peer);
    return peer;
  };
  /** A stream with a session that may be resumed, and its id. */
  const enabled = async (early = '', at = side): Promise<{ peer: RawPartner; id: string }> => {
    const peer = await proven(early, { at });
    await peer.stream.write(enable);
    const answer = await peer.stream.read(/<enabled [^>]*\/>/);
    return { peer, id: /id='([^']*)'/.exec(answer)?.[1] ?? '' };
  };
  const said = async (peer: RawPartner, text: string, answer: RegExp): Promise<string> => {
    await peer.stream.write(text);
    return await peer.stream.read(answer);
  };
  const counted = async (peer: RawPartner): Promise<number> =>
    Number(/h='(\d+)'/.exec(await said(peer, r, /<a [^>]*\/>/))?.[1]);
  const broken = async (peer: RawPartner, at = side): Promise<void> => {
    const before = at.journal.of({ event: 'stream-closed', direction: 'inbound' }).length;
    peer.stream.reset();
    await at.journal.seen({ event: 'stream-closed', direction: 'inbound' }, before + 1);
  };
  const send = (...ids: string[]): void => {
    for (const id of ids) side.edge.send(home, partner, message(`v@${home}`, `u@${partner}`, id));
  };
  const reading = async (peer: RawPartner, count: number): Promise<string[]> => {
    const ids: string[] = [];
    while (ids.length < count) ids.push(...idsIn(await peer.stream.read(/<message .*?<\/message>/)));
    return ids;
  };
  const bounced = (): string[] => side.host.bounced.map(({ stanza: { id }, reason }) => `${id}: ${reason}`);

  it('is offered once the peer is proven, and not while it is to authenticate', async () => {
    const peer = await RawPartner.secured(target(), { from: partner, to: home, certificate });
    open.push(peer);
    expect(await peer.features()).not.toContain('urn:xmpp:sm:3');
    await peer.auth('=');
    await peer.open();
    expect(await peer.features()).toContain("<sm xmlns='urn:xmpp:sm:3'/>");
  });

  it('is offered with dialback, behind which no features come', async () => {
    const careless = await edge({ accepts: ['dialback'] });
    const peer = await RawPartner.secured(target(careless), { from: partner, to: home });
    open.push(peer);
    const features = await peer.features();
    expect(features).not.toContain('EXTERNAL');
    expect(features).toContain("<sm xmlns='urn:xmpp:sm:3'/>");
    // The stream stands, and nothing is proven on it.
    expect(await said(peer, enable, /<failed .*<\/failed>/)).toBe(failed('unexpected-request'));
    await peer.stream.write(r);
    expect(await peer.streamError()).toBe('policy-violation');
  });

  it.each([
    [
      'with a session of 128 random bits',
      enable,
      /^<enabled xmlns='urn:xmpp:sm:3' id='[0-9a-f]{32}' resume='true' max='120'\/>$/,
    ],
    ['without one', "<enable xmlns='urn:xmpp:sm:3'/>", /^<enabled xmlns='urn:xmpp:sm:3'\/>$/],
  ])('is enabled %s, and once', async (_, asked, answer) => {
    const peer = await proven();
    expect(await said(peer, asked, /<enabled [^>]*\/>/)).toMatch(answer);
    expect(await said(peer, asked, /<failed .*<\/failed>/)).toBe(failed('unexpected-request'));
    expect(await said(peer, resume('x', 0), /<failed .*<\/failed>/)).toBe(failed('unexpected-request'));
    expect(await counted(peer)).toBe(0);
  });

  it('counts messages, presence and iq alike, also those answered here', async () => {
    const peer = await proven();
    await peer.stream.write(`${stanza('before')}${enable}${stanza('1')}${stanza('2', 'presence')}${stanza('3', 'iq')}`);
    const ping = `<iq type='get' id='4' from='${partner}' to='${home}'><ping xmlns='urn:xmpp:ping'/></iq>`;
    expect(await said(peer, ping + r, /<a [^>]*\/>/)).toContain("h='4'");
    expect(side.host.pings).toHaveLength(1);
    expect(await side.host.ids(4)).toEqual(['before', '1', '2', '3']);
  });

  it('gives one answer to all questions of one read, and none before what it counts is kept', async () => {
    const { peer } = await enabled();
    const kept: (() => void)[] = [];
    side.host.keeping = (then) => {
      kept.push(then);
      side.host.watch.changed();
    };
    await peer.stream.write(stanza('1') + r + stanza('2') + r);
    await side.host.watch.until(() => kept.length > 0);
    await peer.stream.write(stanza('3'));
    await side.host.ids(3);
    expect(peer.stream.unread).toBe('');
    for (const then of kept) then();
    side.host.keeping = undefined;
    expect(await said(peer, r, /h='3'\/>/)).toBe(`${confirm(2)}${confirm(3)}`);
  });

  it.each([
    ['it closes', (one: TestEdge) => void one.edge.close()],
    ['the policy changes', (one: TestEdge) => one.host.accepts.set('*', []) && one.edge.reconsider()],
  ])('tells its last count before the end, when %s, and takes nothing behind it', async (_, ends) => {
    const { peer } = await enabled();
    await said(peer, stanza('1') + r, /<a [^>]*\/>/);
    const kept: (() => void)[] = [];
    side.host.keeping = (then) => kept.push(then);
    ends(side);
    expect(kept).toHaveLength(1);
    await peer.stream.write(`${stanza('late')}</stream:stream>`);
    expect(peer.stream.unread).toBe('');
    for (const then of kept) then();
    expect(await peer.stream.read(/<\/stream:stream>/)).toMatch(
      /^<a xmlns='urn:xmpp:sm:3' h='1'\/>(<stream:error>.*)?<\/stream:stream>$/,
    );
    await peer.stream.closed;
    expect(side.host.received.map(({ stanza: { id } }) => id)).toEqual(['1']);
  });

  it('tells its last count when the peer closes', async () => {
    const { peer } = await enabled();
    const end = await said(peer, `${stanza('1')}</stream:stream>`, /<\/stream:stream>/);
    expect(end).toBe(`${confirm(1)}</stream:stream>`);
  });

  describe('with stanzas of ours', () => {
    it('confirms these by counts and not by fences', async () => {
      const { peer } = await enabled(bidi);
      send(...numbers(3));
      await peer.stream.read(/id='3'.*<r xmlns='urn:xmpp:sm:3'\/>/);
      await said(peer, confirm(3) + r, /<a [^>]*\/>/);
      peer.stream.reset();
      await side.journal.seen({ event: 'stream-closed' });
      expect(bounced()).toEqual([]);
    });

    it('confirms by fences what came before it was enabled', async () => {
      const peer = await proven(bidi);
      send('1');
      const fence = await peer.stream.read(/<message.*<\/iq>/);
      expect(fence).toContain('<ping ');
      await said(peer, enable, /<enabled [^>]*\/>/);
      send('2');
      const second = await peer.stream.read(/<message.*<r [^>]*\/>/);
      expect(second).not.toContain('<ping ');
      const id = /id='(drawbridge-receipt-[^']*)'/.exec(fence)?.[1];
      const pong = `<iq type='result' id='${id}' from='${partner}' to='${home}'/>`;
      expect(await said(peer, `${pong}${confirm(1)}${r}`, /<a [^>]*\/>/)).toContain("h='1'");
      peer.stream.reset();
      await side.journal.seen({ event: 'stream-closed' });
      expect(bounced()).toEqual([]);
    });

    it('is ended by a peer that confirms what it never got', async () => {
      const { peer } = await enabled(bidi);
      await peer.stream.write(confirm(1));
      expect(await peer.streamError()).toBe('undefined-condition');
    });

    it('has them wait for a resumption, and all that comes behind them', async () => {
      const { peer, id } = await enabled(bidi);
      send(...numbers(5));
      await reading(peer, 5);
      await said(peer, confirm(1) + stanza('in') + r, /<a [^>]*\/>/);
      await broken(peer);
      send('6');
      const next = await proven(bidi);
      expect(await said(next, resume(id, 3), /<resumed [^>]*\/>/)).toBe(
        `<resumed xmlns='urn:xmpp:sm:3' previd='${id}' h='1'/>`,
      );
      expect(await reading(next, 3)).toEqual(['4', '5', '6']);
      await said(next, confirm(6) + r, /<a [^>]*\/>/);
      expect(bounced()).toEqual([]);
      expect(side.journal.of({ event: 'stream-resumed' })).toMatchObject([{ partner, home, direction: 'inbound' }]);
    });

    it.each([
      ['the peer begins anew', async () => void (await enabled(bidi))],
      ['nobody has come back in time', () => vi.advanceTimersByTime(RESUMPTION_MS)],
      ['the edge closes', () => side.edge.close()],
    ])('has them in doubt when %s', async (_, happens) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const { peer } = await enabled(bidi);
      send('1', '2');
      await reading(peer, 2);
      await said(peer, confirm(1) + r, /<a [^>]*\/>/);
      await broken(peer);
      expect(bounced()).toEqual([]);
      await happens();
      expect(bounced()).toEqual(['2: delivery-doubtful']);
    });

    it('has them in doubt at once when the peer closed in good order', async () => {
      const { peer, id } = await enabled(bidi);
      send('1', '2');
      await reading(peer, 2);
      await said(peer, `${confirm(1)}</stream:stream>`, /<\/stream:stream>/);
      peer.stream.end();
      expect(await side.host.bounces(1)).toEqual(['2: delivery-doubtful']);
      expect(await said(await proven(), resume(id, 1), /<failed .*<\/failed>/)).toBe(failed('item-not-found'));
    });

    it('is ended by a peer that resumes it with more than it got', async () => {
      const { peer, id } = await enabled(bidi);
      send('1');
      await reading(peer, 1);
      await broken(peer);
      const next = await proven(bidi);
      await next.stream.write(resume(id, 2));
      expect(await next.streamError()).toBe('undefined-condition');
      expect(await said(await proven(bidi), resume(id, 1), /<resumed [^>]*\/>/)).toContain("h='0'");
      expect(bounced()).toEqual([]);
    });
  });

  describe('resumed', () => {
    it('goes on counting, also across a restart of ours', async () => {
      const streamSessions = new VolatileStreamSessions();
      const first = await edge({ streamSessions });
      const { peer, id } = await enabled('', first);
      await said(peer, stanza('1') + stanza('2') + r, /<a [^>]*h='2'\/>/);
      await broken(peer, first);
      const next = await proven('', { at: first });
      await said(next, resume(id, 0) + stanza('3') + r, /<resumed [^>]*h='2'\/>.*<a [^>]*h='3'\/>/);
      const closing = first.edge.close();
      await next.stream.read(/<\/stream:stream>/);
      next.stream.end();
      await closing;
      const restarted = await proven('', { at: await edge({ streamSessions }) });
      expect(await said(restarted, resume(id, 0), /<resumed [^>]*\/>/)).toContain("h='3'");
      expect(await counted(restarted)).toBe(3);
    });

    it('drops the connection that it had before', async () => {
      const { peer, id } = await enabled();
      await said(peer, stanza('1') + r, /<a [^>]*\/>/);
      const next = await proven();
      expect(await said(next, resume(id, 0), /<resumed [^>]*\/>/)).toContain("h='1'");
      await peer.stream.closed;
      expect(side.edge.load.incoming).toBe(1);
    });

    it('waits for what it counts to be kept', async () => {
      const { peer, id } = await enabled(bidi);
      await broken(peer);
      const next = await proven(bidi);
      const kept: (() => void)[] = [];
      side.host.keeping = (then) => {
        kept.push(then);
        side.host.watch.changed();
      };
      await next.stream.write(resume(id, 0));
      await side.host.watch.until(() => kept.length > 0);
      expect(next.stream.unread).toBe('');
      for (const then of kept) then();
      await next.stream.read(/<resumed [^>]*\/>/);
      side.host.keeping = undefined;
    });

    it('counts in laps of 2^32', async () => {
      const streamSessions = new VolatileStreamSessions();
      const wrapping = await edge({ streamSessions });
      const session = { id: 'lap', partner, home, expires: Date.now() + 60_000 };
      streamSessions.keep(session, () => 2 ** 32 - 1);
      const peer = await proven(bidi, { at: wrapping });
      await said(peer, resume('lap', 2 ** 32 - 2), /<resumed [^>]*h='4294967295'\/>/);
      expect(await said(peer, stanza('1') + stanza('2') + r, /<a [^>]*\/>/)).toContain("h='1'");
      for (const id of numbers(3)) wrapping.edge.send(home, partner, message(`v@${home}`, `u@${partner}`, id));
      await peer.stream.read(/<message.*id='3'.*<r /);
      await said(peer, confirm(1) + r, /<a [^>]*\/>/);
      await broken(peer, wrapping);
      expect(wrapping.host.bounced).toEqual([]);
    });

    it.each([
      ['that never was', 'never'],
      ['without a name', ''],
    ])('may not be a session %s', async (_, previd) => {
      const peer = await proven();
      expect(await said(peer, resume(previd, 0), /<failed .*<\/failed>/)).toBe(failed('item-not-found'));
      expect(await said(peer, enable, /<enabled /)).toBe('<enabled ');
    });

    it('may not be the session of another partner, or towards another domain of ours', async () => {
      const { peer, id } = await enabled();
      await broken(peer);
      const stranger = await net.issue({ domains: ['q.example'] });
      for (const from of [{ from: 'q.example', pair: stranger }, { to: 'h2.example' }]) {
        const other = await proven('', from);
        expect(await said(other, resume(id, 0), /<failed .*<\/failed>/)).toBe(failed('item-not-found'));
      }
    });

    it('is told the last count only when what it counts is kept', async () => {
      const { peer, id } = await enabled();
      await said(peer, stanza('1') + r, /<a [^>]*\/>/);
      await broken(peer);
      const next = await proven();
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + RESUMPTION_MS });
      const kept: (() => void)[] = [];
      side.host.keeping = (then) => {
        kept.push(then);
        side.host.watch.changed();
      };
      await next.stream.write(resume(id, 0));
      await side.host.watch.until(() => kept.length > 0);
      expect(next.stream.unread).toBe('');
      for (const then of kept) then();
      expect(await next.stream.read(/<failed .*<\/failed>/)).toBe(failed('item-not-found', " h='1'"));
      side.host.keeping = undefined;
    });

    it('is too late when the time is over: the last count is told', async () => {
      const { peer, id } = await enabled();
      await said(peer, stanza('1') + r, /<a [^>]*\/>/);
      await broken(peer);
      const next = await proven();
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + RESUMPTION_MS });
      expect(await said(next, resume(id, 0), /<failed .*<\/failed>/)).toBe(failed('item-not-found', " h='1'"));
    });
  });
});
