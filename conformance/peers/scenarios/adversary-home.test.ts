import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KeyPair } from '../authority.ts';
import { homeDomain } from '../federation.ts';
import type { GatewayProcess } from '../gateway.ts';
import { homeHeader, RawHome, type ServeLink, welcome } from '../raw-home.ts';
import { RawPartner } from '../raw-partner.ts';
import { World } from '../world.ts';

const streamError = (condition: string) =>
  `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`;
const behindWelcome =
  (bytes: string | Buffer): ServeLink =>
  async (link) => {
    await welcome(link);
    await link.write(bytes);
    await link.closed;
  };
const withHeader =
  (bytes: string): ServeLink =>
  async (link) => {
    await link.write(homeHeader + bytes);
    await link.closed;
  };

const homes: readonly { readonly what: string; readonly serve: ServeLink }[] = [
  { what: 'says nothing', serve: (link) => link.closed },
  { what: 'breaks off at once', serve: async (link) => link.reset() },
  { what: 'speaks another protocol', serve: (link) => link.write('HTTP/1.1 400 Bad Request\r\n\r\n') },
  { what: 'writes no XML at all', serve: (link) => link.write(Buffer.alloc(10_000, 0xff)) },
  { what: 'opens with a DOCTYPE', serve: (link) => link.write("<!DOCTYPE x [<!ENTITY a 'b'>]>") },
  {
    what: 'writes a header without an end',
    serve: (link) => link.write(`${homeHeader.slice(0, -1)} x='${'x'.repeat(5_000_000)}`),
  },
  { what: 'gives no id', serve: (link) => link.write(homeHeader.replace(/ id='[^']*'/, '')) },
  {
    what: 'opens a stream of another kind',
    serve: (link) => link.write(homeHeader.replace('component:accept', 'server')),
  },
  {
    what: 'hangs up behind its header',
    serve: async (link) => {
      await link.write(homeHeader);
      link.end();
    },
  },
  { what: 'leaves the handshake unanswered', serve: withHeader('') },
  { what: 'answers the handshake with something else', serve: withHeader('<x/>'.repeat(1_000)) },
  { what: 'refuses the handshake', serve: withHeader(streamError('not-authorized')) },
  { what: 'does not know the component', serve: withHeader(streamError('host-unknown')) },
  {
    what: 'hangs up behind the handshake',
    serve: async (link) => {
      await welcome(link);
      link.end();
    },
  },
  {
    what: 'breaks off behind the handshake',
    serve: async (link) => {
      await welcome(link);
      link.reset();
    },
  },
  { what: 'closes the stream behind the handshake', serve: behindWelcome('</stream:stream>') },
  { what: 'prefers another component', serve: behindWelcome(streamError('conflict')) },
  { what: 'writes garbage behind the handshake', serve: behindWelcome(Buffer.alloc(10_000, 0xff)) },
  { what: 'sends no stanza', serve: behindWelcome("<x xmlns='urn:x'/>") },
  { what: 'sends a stanza without an end', serve: behindWelcome(`<message>${'x'.repeat(6_000_000)}`) },
  {
    what: 'sends half a stanza and breaks off',
    serve: async (link) => {
      await welcome(link);
      await link.write('<message><bod');
      link.reset();
    },
  },
];
const good = 'good.example';
const mute = 'mute.example';
const slow = 'slow.example';
const poisoned = 'poisoned.example';
/** MiB; idle the gateway takes some 120. */
const mostMemory = 640;
const domainOf = (n: number) => `y${n}.example`;

describe('A home server that means harm, or is broken', () => {
  let world: World;
  let home: RawHome;
  let gateway: GatewayProcess;
  let certificate: KeyPair;
  const partners = new Map<string, Promise<RawPartner>>();

  /** Opened when the slow home begins to read. */
  const reading = Promise.withResolvers<void>();
  const sluggish: ServeLink = async (link, domain) => {
    await welcome(link);
    link.pause();
    await reading.promise;
    link.resume();
    await home.take(link, domain);
  };
  const allergic: ServeLink = async (link, domain) => {
    await welcome(link);
    for (;;) {
      const text = await link.read(/<(message|iq)\b.*?<\/\1>/s, { timeoutMs: 600_000 });
      const fence = /<iq type='get' id='([^']+)' from='([^']+)' to='([^']+)'><ping/.exec(text);
      if (text.includes('>poison<')) return link.reset();
      if (fence === null) home.stanzas.add({ domain, text });
      else await link.write(`<iq type='result' id='${fence[1]}' from='${fence[3]}' to='${fence[2]}'/>`);
    }
  };

  beforeAll(async () => {
    world = await World.start();
    home = world.own(await RawHome.start(world.loopback.address()));
    const domains = [...homes.map((_, n) => domainOf(n)), good, mute, slow, poisoned];
    for (const [n, { serve }] of homes.entries()) home.plan(domainOf(n), serve, serve);
    home.plan(mute, (link, domain) => home.well(link, domain, { mute: true }));
    home.plan(slow, sluggish);
    home.plan(poisoned, ...Array<ServeLink>(20).fill(allergic));
    certificate = await world.authority.issue({ domains });
    gateway = await world.gateway({
      home: home.server,
      homeDomains: [homeDomain],
      edge: 'connectTimeout: 2s, limits: { perAddress: 1000 }',
      link: 'window: 20, wait: 5s',
      settings: 'outbox: { age: 5s }',
      policies: Object.fromEntries(
        domains.map((domain) => [
          `${domain}.yaml`,
          `partner: ${domain}\ntrust: { accept: [certificate] }\nmessages: { allow: both, maxBytes: 512KiB }\nlimits: { connections: 50 }\n`,
        ]),
      ),
    });
  });
  afterAll(() => world?.close());

  const partnerOf = async (domain: string): Promise<RawPartner> => {
    const options = { from: domain, to: homeDomain, certificate };
    const partner = await RawPartner.proven(gateway, options, "<bidi xmlns='urn:xmpp:bidi'/>");
    partner.answerPings();
    return world.own(partner);
  };
  const write = async (domain: string, body: string): Promise<void> => {
    const known = partners.get(domain) ?? partnerOf(domain);
    partners.set(domain, known);
    const { stream } = await known;
    await stream.write(
      `<message from='mallory@${domain}' to='alice@${homeDomain}' type='chat' id='${body.slice(0, 20)}'><body>${body}</body></message>`,
    );
  };
  /** What a partner writes arrives at the home server. */
  const arrives = async (domain: string, body: string): Promise<void> => {
    await write(domain, body);
    await home.stanzas.next((stanza) => stanza.domain === domain && stanza.text.includes(`<body>${body}</body>`), {
      timeoutMs: 30_000,
    });
  };
  const memory = async () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;

  it('is left and found again, and the links of other partners stand', async () => {
    await arrives(good, 'before');
    await Promise.all(
      homes.map(async ({ what }, n) => {
        const domain = domainOf(n);
        const lost = { event: 'home-lost', partner: domain } as const;
        await vi.waitFor(() => expect(home.opened(domain), what).toBe(3), { timeout: 30_000, interval: 50 });
        await arrives(domain, 'to a home that has come to its senses');
        expect(gateway.lines(lost).length, what).toBeGreaterThanOrEqual(2);
        expect(home.opened(domain), what).toBe(3);
      }),
    );
    await arrives(good, 'after');
    expect(home.opened(good)).toBe(1);
    expect(gateway.lines({ event: 'home-lost', partner: good })).toEqual([]);
    expect(gateway.lines({ reason: 'internal' })).toEqual([]);
    expect(await memory()).toBeLessThan(mostMemory);
  });

  it('may leave fences unanswered: no more than the window is sent, and the rest comes back', async () => {
    for (let n = 0; n < 50; n++) await write(mute, `number ${n}`);
    const returned = { event: 'stanza-undeliverable', reason: 'home-unavailable', partner: mute } as const;
    // One more may stand ready to be written.
    await vi.waitFor(() => expect(gateway.lines(returned).length).toBeGreaterThanOrEqual(29), { timeout: 20_000 });
    const taken = home.stanzas.unread
      .filter(({ domain }) => domain === mute)
      .map(({ text }) => /number \d+/.exec(text)?.[0]);
    expect(taken).toEqual(Array.from({ length: 20 }, (_, n) => `number ${n}`));
    await arrives(good, 'meanwhile');
  });

  it('may read nothing: memory stays within bounds, and what waited too long comes back', async () => {
    const letters = 60;
    const writing = Promise.all(Array.from({ length: letters }, (_, n) => write(slow, `${n} ${'z'.repeat(400_000)}`)));
    await gateway.logged({ event: 'stanza-undeliverable', reason: 'home-unavailable', partner: slow });
    expect(await memory()).toBeLessThan(mostMemory);
    await arrives(good, 'meanwhile, too');
    reading.resolve();
    await writing;
    await arrives(slow, 'and now it reads');
    const taken = home.stanzas.unread.filter(({ domain }) => domain === slow).length;
    await vi.waitFor(() =>
      expect(taken + gateway.lines({ event: 'stanza-undeliverable', partner: slow }).length).toBe(letters),
    );
    home.stanzas.clear();
  });

  it('that breaks off over one stanza gets the others', async () => {
    await write(poisoned, 'first');
    await write(poisoned, 'poison');
    const given = { event: 'stanza-undeliverable', partner: poisoned } as const;
    await gateway.logged(given);
    await arrives(poisoned, 'last');
    expect(gateway.lines(given)).toMatchObject([{ id: 'poison', reason: 'delivery-doubtful' }]);
    await home.stanzas.next(({ text }) => text.includes('>first<'));
    expect(home.opened(poisoned)).toBeLessThan(10);
  });
});
