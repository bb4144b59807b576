import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { HomeHost, Taken } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { readIds } from '../xmpp/testing/raw-partner.fixture.ts';
import { type RawPeer, RawServer } from '../xmpp/testing/raw-peer.fixture.ts';
import { message, numbers, RecordingJournal } from '../xmpp/testing/recording.fixture.ts';
import { Watch } from '../xmpp/testing/watch.fixture.ts';
import { ComponentHome, type ComponentHomeOptions } from './component-home.ts';

const partner = 'p.example';
const home = 'h.example';
const secret = 'component secret';

/** The middle, as a home sees it. */
class RecordingMiddle implements HomeHost {
  readonly watch = new Watch();
  readonly outgoing: { partner: string; stanza: Stanza }[] = [];
  readonly bounced: string[] = [];
  readonly rooms: string[] = [];
  /** Kept stanzas that the home has taken, and those that came back. */
  readonly taken: string[] = [];
  readonly back: string[] = [];
  roomy = true;

  outbound(domain: string, stanza: Stanza): boolean {
    this.outgoing.push({ partner: domain, stanza });
    this.watch.changed();
    return this.roomy;
  }

  undeliverable({ id }: Stanza, reason: ReasonCode): void {
    this.bounced.push(`${id}: ${reason}`);
    this.watch.changed();
  }

  delivered({ id }: Stanza): void {
    this.taken.push(id);
    this.watch.changed();
  }

  returned(stanzas: readonly Stanza[]): void {
    this.back.push(...stanzas.map(({ id }) => id));
    this.watch.changed();
  }

  whenKept(then: () => void): void {
    then();
  }

  homeUnreachable(): void {}

  roomForHome(domain: string): void {
    this.rooms.push(domain);
    this.watch.changed();
  }

  ids(count: number): Promise<string[]> {
    return this.watch.until(() => this.outgoing.length >= count && this.outgoing.map(({ stanza }) => stanza.id));
  }
}

describe('The home over component links', () => {
  let server: RawServer;
  let middle: RecordingMiddle;
  let journal: RecordingJournal;
  const homes: ComponentHome[] = [];

  beforeEach(async () => {
    server = await RawServer.start();
    middle = new RecordingMiddle();
    journal = new RecordingJournal(middle.watch);
  });
  afterEach(async () => {
    await server.close();
    vi.useRealTimers();
    // Some leave unconfirmed what a closing home would wait for.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const closing = Promise.all(homes.splice(0).map((one) => one.close()));
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    await closing;
  });

  function start(wanted: Partial<ComponentHomeOptions> = {}): ComponentHome {
    const options: ComponentHomeOptions = {
      host: '127.0.0.1',
      port: server.port,
      secret,
      homeDomain: home,
      domains: [partner],
      window: 100,
      scanner: { elementBytes: 100_000, depth: 10, attributes: 10 },
      connectTimeoutMs: 10_000,
      keepAliveMs: 60_000,
      queue: { stanzas: 40, bytes: 1_000_000, waitMs: 60_000 },
      ...wanted,
    };
    const component = new ComponentHome({ host: middle, journal, options, random: () => 0 });
    homes.push(component);
    component.start();
    return component;
  }

  /** The server's half up to its answer to the handshake. */
  const opened = async (id = 'stream-1'): Promise<RawPeer> => {
    const peer = await server.next();
    await peer.read(/<stream:stream [^>]*>/);
    peer.write(
      `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='${partner}' id='${id}'>`,
    );
    await peer.read(/<handshake>[^<]*<\/handshake>/);
    return peer;
  };
  const linked = async (more = ''): Promise<RawPeer> => {
    const peer = await opened();
    peer.write(`<handshake/>${more}`);
    return peer;
  };
  const fence = async (peer: RawPeer): Promise<string> =>
    /<iq type='get' id='([^']*)'/.exec(await peer.read(/<iq type='get'.*?<\/iq>/))?.[1] ?? '';
  const pass = (peer: RawPeer, id: string, type = 'result'): void =>
    peer.write(`<iq type='${type}' id='${id}' from='${home}' to='${partner}'/>`);
  const deliver = (component: ComponentHome, ...ids: string[]): Taken[] =>
    ids.map((id) => component.deliver(partner, message(`u@${partner}`, `v@${home}`, id)));

  it('opens a stream for the partner domain and proves that it knows the secret (XEP-0114 §3)', async () => {
    start();
    const peer = await server.next();
    const header = await peer.read(/<stream:stream [^>]*>/);
    expect(header).toContain("xmlns='jabber:component:accept'");
    expect(header).toContain(`to='${partner}'`);
    peer.write(
      "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='3BF96D32 &amp; &lt;more&gt;'>",
    );
    const proof = createHash('sha1').update(`3BF96D32 & <more>${secret}`).digest('hex');
    expect(await peer.read(/<handshake>.*<\/handshake>/)).toBe(`<handshake>${proof}</handshake>`);
    expect(journal.of({ event: 'home-linked' })).toEqual([]);
    peer.write('<handshake/>');
    expect(await journal.seen({ event: 'home-linked' })).toMatchObject({ partner, home });
  });

  it.each(['not-authorized', 'host-unknown', 'conflict'])(
    'says so where the server refuses with %s, and tries again',
    async (condition) => {
      const component = start();
      const refused = await opened();
      refused.write(
        `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`,
      );
      expect(await journal.seen({ event: 'home-lost' })).toMatchObject({
        reason: 'home-refused',
        partner,
        retryMs: 250,
        detail: expect.stringContaining(condition),
      });
      expect(component.links).toEqual(new Map([[partner, false]]));
      refused.socket.end();
      deliver(component, '1');
      expect(await readIds(await linked(), 1)).toEqual(['1']);
      expect(component.links).toEqual(new Map([[partner, true]]));
    },
  );

  it('says that the home is not there where nobody listens', async () => {
    const { port } = server;
    await server.close();
    start({ port });
    expect(await journal.seen({ event: 'home-lost' })).toMatchObject({
      reason: 'home-unavailable',
      address: `127.0.0.1:${port}`,
    });
  });

  it('gives up a server that does not answer in time', async () => {
    start({ connectTimeoutMs: 50 });
    await (await server.next()).over();
    expect(await journal.seen({ event: 'home-lost' })).toMatchObject({ reason: 'home-unavailable' });
  });

  it('delivers in order, what waited first', async () => {
    const component = start();
    deliver(component, ...numbers(5));
    const peer = await linked();
    await readIds(peer, 1);
    deliver(component, ...numbers(30, 6));
    expect(await readIds(peer, 34)).toEqual(numbers(34, 2));
  });

  it('takes the stanzas that come in one packet with the answer to the handshake', async () => {
    start();
    await linked(
      numbers(20)
        .map((id) => `<message from='v@${home}' to='u@${partner}' id='${id}'/>`)
        .join(''),
    );
    expect(await middle.ids(20)).toEqual(numbers(20));
    expect(middle.outgoing[0]).toMatchObject({ partner, stanza: { name: 'message', from: `v@${home}` } });
  });

  it.each(['result', 'error'])('sends nothing again that lies before a fence answered by a %s', async (type) => {
    const component = start();
    deliver(component, '1', '2');
    const first = await linked();
    await readIds(first, 2);
    const id = await fence(first);
    expect(component.queued).toBe(2);
    pass(first, id, type);
    await middle.watch.until(() => {
      // The journal is told nothing of it; a stanza behind the answer is.
      if (component.queued > 0) first.write(`<message from='v@${home}' to='u@${partner}'/>`);
      return component.queued === 0;
    });
    first.cut();
    await journal.seen({ event: 'home-lost' });
    deliver(component, '3');
    expect(await readIds(await linked(), 1)).toEqual(['3']);
    expect(middle.bounced).toEqual([]);
  });

  it('bounces what was written and no fence confirmed when the link broke, and sends nothing twice', async () => {
    const component = start();
    deliver(component, '1');
    const first = await linked();
    await readIds(first, 1);
    const id = await fence(first);
    deliver(component, '2', '3');
    await readIds(first, 2);
    pass(first, id);
    first.write(`<message from='v@${home}' to='u@${partner}'/>`);
    await middle.ids(1);
    first.cut();
    await journal.seen({ event: 'home-lost' });
    deliver(component, '4', '5');
    const second = await linked();
    expect(await readIds(second, 2)).toEqual(['4', '5']);
    expect(middle.bounced).toEqual(['2: delivery-doubtful', '3: delivery-doubtful']);
  });

  it('takes no fence of another link, or of nobody, for its own', async () => {
    const component = start();
    deliver(component, '1');
    const peer = await linked();
    await fence(peer);
    pass(peer, 'drawbridge-fence-000000000000-1');
    pass(peer, 'other');
    expect(await middle.ids(2)).toEqual(['drawbridge-fence-000000000000-1', 'other']);
    expect(component.queued).toBe(1);
  });

  it('asks for no more while the home server does not confirm, and then again for more', async () => {
    const component = start({ window: 10 });
    const peer = await linked();
    await journal.seen({ event: 'home-linked' });
    expect(deliver(component, ...numbers(29)).at(-1)).toBe('more');
    expect(deliver(component, '30')).toEqual(['enough']);
    expect(await readIds(peer, 10)).toEqual(numbers(10));
    let read = 10;
    while (read < 30) {
      const id = await fence(peer);
      pass(peer, id);
      const next = Math.min(10, 30 - read);
      expect(await readIds(peer, next)).toEqual(numbers(next, read + 1));
      read += next;
    }
    expect(middle.rooms).toEqual([partner]);
    expect(middle.bounced).toEqual([]);
  });

  it('stops reading the home server while the middle has no room, and reads on when it has', async () => {
    const component = start();
    const peer = await linked();
    await journal.seen({ event: 'home-linked' });
    middle.roomy = false;
    const stanza = (id: string): string => `<message from='v@${home}' to='u@${partner}' id='${id}'/>`;
    peer.write(stanza('1'));
    await middle.ids(1);
    peer.write(stanza('2'));
    // A round trip over another link: what was written before has arrived.
    component.expect([partner, 'other.example']);
    await linked();
    await journal.seen({ event: 'home-linked', partner: 'other.example' });
    expect(middle.outgoing).toHaveLength(1);
    middle.roomy = true;
    component.room('other.example');
    component.room(partner);
    expect(await middle.ids(2)).toEqual(['1', '2']);
  });

  it('lets go of the link of a partner that is none any more, and keeps one that was asked for on demand and then named', async () => {
    const component = start();
    const peer = await linked();
    await journal.seen({ event: 'home-linked' });
    component.deliver('rooms.p.example', message('r@rooms.p.example', `v@${home}`, '1'));
    const onDemand = await linked();
    await journal.seen({ event: 'home-linked', partner: 'rooms.p.example' });
    component.expect(['rooms.p.example']);
    expect([...component.links.keys()]).toEqual(['rooms.p.example']);
    expect(await peer.read(/<\/stream:stream>/)).toBeDefined();
    onDemand.cut();
    // It comes back without a stanza to carry.
    await linked();
  });

  it('bounces what waits too long for the home server, and what finds no room', async () => {
    const component = start({ queue: { stanzas: 4, bytes: 1_000_000, waitMs: 50 } });
    expect(deliver(component, ...numbers(5))).toEqual(['more', 'enough', 'enough', 'enough', 'enough']);
    expect(middle.bounced).toEqual(['5: queue-full']);
    await middle.watch.until(() => middle.bounced.length === 5);
    expect(middle.bounced.slice(1)).toEqual(numbers(4).map((id) => `${id}: home-unavailable`));
    expect(middle.rooms).toEqual([partner]);
  });

  it('opens a link for a domain under a wildcard when something comes for it, each its own', async () => {
    const component = start();
    const named = await linked();
    await journal.seen({ event: 'home-linked', partner });
    component.deliver('rooms.p.example', message('r@rooms.p.example', `v@${home}`, '1'));
    const onDemand = await server.next();
    expect(await onDemand.read(/<stream:stream [^>]*>/)).toContain("to='rooms.p.example'");
    expect([...component.links]).toEqual([
      [partner, true],
      ['rooms.p.example', false],
    ]);
    deliver(component, '2');
    expect(await readIds(named, 1)).toEqual(['2']);
  });

  it('lets the link go that was used least lately where one more is needed, but none that is in use', async () => {
    const component = start({ domains: [], linksOnDemand: 2 });
    const peers = new Map<string, RawPeer>();
    const use = async (domain: string): Promise<void> => {
      component.deliver(domain, message(`r@${domain}`, `v@${home}`, domain));
      const peer = peers.get(domain) ?? (await linked());
      peers.set(domain, peer);
      await readIds(peer, 1);
      pass(peer, await fence(peer));
      peer.write(`<message from='v@${home}' to='r@${domain}' id='behind'/>`);
      await middle.ids(middle.outgoing.length + 1);
      expect(component.queued).toBe(0);
    };
    for (const domain of ['a.p.example', 'b.p.example', 'a.p.example', 'c.p.example']) await use(domain);
    expect([...component.links.keys()]).toEqual(['a.p.example', 'c.p.example']);
    await peers.get('b.p.example')?.read(/<\/stream:stream>/);
    for (const domain of ['a.p.example', 'c.p.example', 'd.p.example']) {
      component.deliver(domain, message(`r@${domain}`, `v@${home}`, `late ${domain}`));
    }
    expect(middle.bounced).toEqual(['late d.p.example: home-unavailable']);
  });

  it('keeps a link that a policy names, and lets one go that nobody needs', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    const component = start();
    const named = await linked();
    await journal.seen({ event: 'home-linked', partner });
    component.deliver('rooms.p.example', message('r@rooms.p.example', `v@${home}`, '1'));
    const onDemand = await linked();
    await readIds(onDemand, 1);
    pass(onDemand, await fence(onDemand));
    onDemand.write('</stream:stream>');
    await onDemand.over();
    named.cut();
    await journal.seen({ event: 'home-linked', partner }, 1);
    await linked();
    await journal.seen({ event: 'home-linked', partner }, 2);
    vi.advanceTimersByTime(10_000);
    expect([...component.links.keys()]).toEqual([partner]);
    expect(server.accepted).toBe(3);
  });

  it('asks a silent home server whether it lives, and drops one that does not', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    start();
    const peer = await linked();
    await journal.seen({ event: 'home-linked' });
    const later = (ms: number): void => {
      vi.setSystemTime(Date.now() + ms - 10_000);
      vi.advanceTimersByTime(10_000);
    };
    later(61_000);
    pass(peer, await fence(peer));
    peer.write(`<message from='v@${home}' to='u@${partner}'/>`);
    await middle.ids(1);
    later(61_000);
    await fence(peer);
    later(61_000);
    await peer.over();
    expect(await journal.seen({ event: 'home-lost' })).toMatchObject({ reason: 'stream-idle' });
    await linked();
    await journal.seen({ event: 'home-linked' }, 2);
  });

  it('gives the home server time to take everything before it closes', async () => {
    const component = start();
    const peer = await linked();
    await journal.seen({ event: 'home-linked' });
    deliver(component, '1', '2');
    const closing = Promise.all([component.close(), component.close()]);
    expect(await readIds(peer, 2)).toEqual(['1', '2']);
    const id = await fence(peer);
    expect(peer.text).not.toContain('</stream:stream>');
    pass(peer, id);
    await peer.read(/<\/stream:stream>/);
    peer.write('</stream:stream>');
    await closing;
    expect(middle.bounced).toEqual([]);
    expect(deliver(component, '3')).toEqual(['more']);
    expect(middle.bounced).toEqual(['3: shutting-down']);
  });

  it('bounces what the home server has not taken in that time', async () => {
    const component = start();
    const peer = await linked();
    await journal.seen({ event: 'home-linked' });
    deliver(component, '1');
    await readIds(peer, 1);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const closing = component.close();
    await vi.advanceTimersByTimeAsync(5_000);
    await peer.read(/<\/stream:stream>/);
    peer.cut();
    await closing;
    expect(middle.bounced).toEqual(['1: delivery-doubtful']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('closes at once where no link stands', async () => {
    const { port } = server;
    await server.close();
    const component = start({ port });
    await journal.seen({ event: 'home-lost' });
    await component.close();
    expect(component.queued).toBe(0);
  });
});
