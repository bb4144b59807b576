import { xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { Element, TestClient } from '../client.ts';
import type { GatewayProcess } from '../gateway.ts';
import type { Prosody } from '../prosody.ts';
import { RawPartner } from '../raw-partner.ts';
import { World } from '../world.ts';

const secret = 'component-secret';
const [home, rooms] = ['h.example', 'conference.h.example'];
const [partnerDomain, partnerRooms] = ['p.example', 'conference.p.example'];
const users = ['alice', 'carol', 'dave', 'ceo'] as const;
type User = (typeof users)[number];
const ceo = `ceo@${home}`;
/** Of the client of ceo: nobody at the partner may ever read them. */
const traces = /corner-office|in-the-vault/;

const policy = (partner: string, domains: string, hidden: string) => `partner: ${partner}
domains: [${domains}]
trust: { accept: [certificate] }
groups: { hidden: [${hidden}] }
presence:
  - { local: "group:hidden", show: nothing }
  - { local: carol@${home}, show: availability }
  - { local: dave@${home}, show: status }
  - { local: "*", show: full }
messages: { allow: both }
iq: { allow: [ping, disco, version, "jabber:iq:last"] }
`;
/** Of the rule about hidden users. */
const hiddenLine = 6;
const file = `${partnerDomain}.yaml`;
const before = policy(partnerDomain, `${partnerDomain}, ${partnerRooms}`, `ghost@${home}`);
const after = policy(partnerDomain, `${partnerDomain}, ${partnerRooms}`, `${ceo}, ghost@${home}`);

describe.runIf(requirePeers('prosody'))('What a partner sees of local users', () => {
  let world: World;
  let partner: Prosody;
  let server: Prosody;
  let gateway: GatewayProcess;
  let bob: TestClient;
  const locals = {} as Record<User, TestClient>;
  /** Everything that bob's clients were ever sent. */
  const heard: string[] = [];
  /** In the log of the partner's server: when ceo was hidden. */
  let hiddenAt = 0;

  beforeAll(async () => {
    world = await World.start();
    [partner, server] = await Promise.all([
      // Logs every stanza.
      world.prosody({
        domain: partnerDomain,
        rooms: partnerRooms,
        users: { bob: 'pass-b' },
        modules: ['stanza_debug'],
        logLevel: 'debug',
      }),
      world.prosody({
        domain: home,
        rooms,
        users: Object.fromEntries(users.map((name) => [name, `pass-${name}`])),
        modules: ['lastactivity'],
        publish: false,
        components: [partnerDomain, partnerRooms, 'r.example'].map((domain) => ({ domain, secret })),
      }),
    ]);
    gateway = await world.gateway({
      home: server,
      homeDomains: [home, rooms],
      secret,
      policies: { [file]: before, 'r.example.yaml': policy('r.example', 'r.example', `${ceo}, ghost@${home}`) },
    });
    await gateway.linked(partnerDomain, partnerRooms, 'r.example');
    bob = await online();
    for (const name of users) {
      locals[name] = await world.client(server, name, name === 'ceo' ? { resource: 'corner-office' } : {});
    }
  });
  afterAll(() => world?.close());

  async function online(): Promise<TestClient> {
    const client = await world.client(partner, 'bob');
    for (const inbox of [client.messages, client.presences, client.iqs])
      inbox.listen((stanza) => heard.push(String(stanza)));
    return client;
  }

  /** What bob has been sent of presence by a user; a message behind it, of somebody who may be seen, says that it is all. */
  async function presencesOf(name: User): Promise<Element[]> {
    await locals[name].request(xml('iq', { to: home, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' })));
    fences += 1;
    const fence = `fence ${fences}`;
    await locals.alice.say(bob.jid, fence);
    await bob.messages.next((stanza) => stanza.getChildText('body') === fence);
    return bob.presences.unread.filter((stanza) => stanza.attrs.from?.split('/')[0] === `${name}@${home}`);
  }
  let fences = 0;

  const show = (name: string, ...children: Element[]) => locals[name as User].becomeAvailable(...children);
  const away = [
    xml('show', {}, 'away'),
    xml('status', {}, 'at lunch'),
    xml('priority', {}, '7'),
    xml('c', {
      xmlns: 'http://jabber.org/protocol/caps',
      hash: 'sha-1',
      node: 'https://client.example',
      ver: 'zHyEOgxTrkpSdGcQKH8EFPLsriY=',
    }),
  ];
  const levels = [
    { name: 'alice', level: 'full', children: ['show', 'status', 'priority', 'c'] },
    { name: 'dave', level: 'status', children: ['show', 'status', 'priority'] },
    { name: 'carol', level: 'availability', children: [] },
  ] as const;

  describe.each(levels)('at the level $level', ({ name, children }) => {
    /** Of the elements that this test sends. */
    const shown = (presence: Element | undefined) =>
      presence?.children
        .map((child) => (child as Element).name)
        .filter((child) => ['show', 'status', 'priority', 'c'].includes(child));

    it('is that and no more, in each presence', async () => {
      await subscribe(name);
      bob.presences.clear();
      await show(name, ...away);
      expect((await presencesOf(name)).map(shown)).toEqual([children]);
    });

    it('is the same when the server of the watcher probes', async () => {
      await bob.close();
      bob = await online();
      const probed = await bob.presences.next(({ attrs }) => attrs.from === locals[name].jid);
      expect(shown(probed)).toEqual(children);
    });

    it('is the same for presence that is directed', async () => {
      bob.presences.clear();
      await locals[name].send(xml('presence', { to: bob.jid }, ...away));
      expect((await presencesOf(name)).map(shown)).toEqual([children]);
    });

    it('does not hide that somebody leaves', async () => {
      bob.presences.clear();
      await locals[name].send(xml('presence', { type: 'unavailable' }, xml('status', {}, 'gone home')));
      const gone = await bob.presences.next(({ attrs }) => attrs.from === locals[name].jid);
      expect(gone.attrs.type).toBe('unavailable');
      expect(gone.getChildText('status')).toBe(name === 'carol' ? null : 'gone home');
      await show(name);
    });
  });

  it('is taken back when a policy hides somebody who was seen', async () => {
    await subscribe('ceo');
    await show('ceo');
    expect((await presencesOf('ceo')).length).toBeGreaterThan(0);
    bob.presences.clear();
    expect((await gateway.writePolicy(file, after)).event).toBe('reloaded');
    const gone = await bob.presences.next();
    expect(gone.attrs).toMatchObject({ type: 'unavailable', from: locals.ceo.jid });
    heard.length = 0;
    hiddenAt = partner.log.mark();
  });

  describe('at the level nothing', () => {
    it('is nothing of presence, of whatever kind', async () => {
      const mark = gateway.log.mark();
      await show('ceo', xml('show', {}, 'dnd'), xml('status', {}, 'in-the-vault'));
      await locals.ceo.send(xml('presence', { to: bob.jid }, xml('status', {}, 'in-the-vault')));
      await locals.ceo.send(
        xml('presence', { to: bob.bareJid, type: 'unavailable' }, xml('status', {}, 'in-the-vault')),
      );
      await locals.ceo.send(xml('presence', { to: bob.bareJid, type: 'subscribed' }));
      await locals.ceo.send(xml('presence', { to: bob.bareJid, type: 'error' }, xml('error', { type: 'cancel' })));
      expect(await presencesOf('ceo')).toEqual([]);
      const line = await gateway.logged(
        { event: 'stanza-refused', reason: 'presence-hidden', direction: 'outbound' },
        mark,
      );
      expect(line.rule).toMatchObject({ line: hiddenLine });
      expect(line.rule?.file).toMatch(/p\.example\.yaml$/);
    });

    it('is for a probe as if there were no such user', async () => {
      await bob.close();
      bob = await online();
      await bob.presences.next(({ attrs }) => attrs.from === locals.alice.jid);
      expect((await bob.presences.next(({ attrs }) => attrs.from === ceo)).attrs.type).toBe('unsubscribed');
      expect(await presencesOf('ceo')).toEqual([]);
    });

    it('is for a request as if there were no such user, who hears nothing of it', async () => {
      locals.ceo.presences.clear();
      for (const name of ['ceo', 'ghost']) {
        await bob.send(xml('presence', { to: `${name}@${home}`, type: 'subscribe' }));
        const answer = await bob.presences.next(({ attrs }) => attrs.from === `${name}@${home}`);
        expect(answer.attrs.type).toBe('unsubscribed');
        expect(answer.children).toEqual([]);
      }
      await bob.say(ceo, 'a fence');
      await locals.ceo.messages.next((stanza) => stanza.getChildText('body') === 'a fence');
      expect(locals.ceo.presences.unread.filter(({ attrs }) => attrs.type === 'subscribe')).toEqual([]);
    });

    it.each([
      ['urn:xmpp:ping', 'ping'],
      ['http://jabber.org/protocol/disco#info', 'query'],
      ['http://jabber.org/protocol/disco#items', 'query'],
      ['jabber:iq:version', 'query'],
      ['jabber:iq:last', 'query'],
    ])('is for an IQ %s as if there were no such user', async (xmlns, name) => {
      const mark = gateway.log.mark();
      const to = [`${ceo}/corner-office`, ceo, `CEO@${home}/corner-office`, `\uff43eo@${home}/corner-office`];
      const ghosts = [`ghost@${home}/corner-office`, `nobody@${home}/corner-office`];
      const [expected, ...others] = await Promise.all(
        [...ghosts, ...to].map((address) => bob.request(xml('iq', { to: address, type: 'get' }, xml(name, { xmlns })))),
      );
      expect(error(expected)).toEqual({ type: 'cancel', conditions: ['service-unavailable'] });
      for (const other of others) expect(error(other)).toEqual(error(expected));
      const hidden = { event: 'stanza-refused', reason: 'presence-hidden', direction: 'inbound' };
      const refused = await gateway.loggedTimes(5, hidden, mark);
      expect(refused.map(({ rule }) => rule?.line)).toEqual(Array(5).fill(hiddenLine));
      expect(
        (await bob.request(xml('iq', { to: locals.alice.jid, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' }))))
          .attrs.type,
      ).toBe('result');
    });

    it('keeps the hidden user out of the rooms of the partner, and says so', async () => {
      const room = `talk@${partnerRooms}`;
      await locals.ceo.send(
        xml('presence', { to: `${room}/boss` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })),
      );
      const answer = await locals.ceo.presences.next(({ attrs }) => attrs.from === `${room}/boss`);
      expect(answer.attrs.type).toBe('error');
    });

    it('takes the hidden address out of a room that shows addresses', async () => {
      const room = `board@${rooms}`;
      await enter(locals.alice, room, 'alice');
      const form = xml(
        'x',
        { xmlns: 'jabber:x:data', type: 'submit' },
        field('FORM_TYPE', 'http://jabber.org/protocol/muc#roomconfig'),
        field('muc#roomconfig_whois', 'anyone'),
      );
      const configured = await locals.alice.request(
        xml('iq', { to: room, type: 'set' }, xml('query', { xmlns: 'http://jabber.org/protocol/muc#owner' }, form)),
      );
      expect(configured.attrs.type).toBe('result');
      await enter(locals.ceo, room, 'boss');
      const seen = new Map<string, string | undefined>();
      bob.presences.listen(({ attrs, ...stanza }) => {
        if (!attrs.from?.startsWith(`${room}/`)) return;
        const item = (stanza as Element).children
          .filter((child): child is Element => typeof child !== 'string')
          .find((child) => child.attrs.xmlns === 'http://jabber.org/protocol/muc#user')
          ?.getChild('item');
        seen.set(attrs.from.slice(room.length + 1), item?.attrs.jid);
      });
      await enter(bob, room, 'bob');
      expect(seen).toEqual(
        new Map([
          ['alice', locals.alice.jid],
          ['boss', undefined],
          ['bob', bob.jid],
        ]),
      );
    });

    it('is nothing under any spelling of the address', async () => {
      const certificate = await world.authority.issue({ domains: ['r.example'] });
      const raw = await RawPartner.proven(
        gateway,
        { from: 'r.example', to: home, certificate },
        "<bidi xmlns='urn:xmpp:bidi'/>",
      );
      let seen = '';
      for (const address of [
        ceo,
        `CEO@${home}`,
        `\uff43\uff45\uff4f@${home}`,
        `c\u00ade\u200bo@${home}`,
        'ceo@H.EXAMPLE',
        `${ceo}.`,
        'ceo@h\u3002example',
      ]) {
        const mark = gateway.log.mark();
        const bare = `from='eve@r.example' to='${address}'`;
        await raw.stream.write(
          `<presence ${bare} type='subscribe'/><presence ${bare} type='probe'/><presence ${bare}/>` +
            `<presence from='eve@r.example/x' to='${address}/y'/>` +
            `<iq from='eve@r.example/x' to='${address}/y' type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>`,
        );
        const answers = await raw.stream.read(/<iq[^>]*id="end"[^>]*>.*?<\/iq>/s);
        expect(answers).toContain('<service-unavailable');
        expect(answers.match(/<presence[^>]*type="[a-z]+"/g)?.map((text) => /type="([a-z]+)"/.exec(text)?.[1])).toEqual(
          ['unsubscribed', 'unsubscribed'],
        );
        const hidden = { event: 'stanza-refused', reason: 'presence-hidden', direction: 'inbound' };
        expect(await gateway.loggedTimes(4, hidden, mark)).toHaveLength(4);
        seen += answers;
      }
      await raw.close();
      expect(seen).not.toMatch(traces);
    });

    it('has left no trace with the partner', async () => {
      await presencesOf('ceo');
      expect(heard.length).toBeGreaterThan(10);
      expect(heard.filter((text) => traces.test(text))).toEqual([]);
      const received = partner.log.since(hiddenAt).filter((line) => /\ss2s(in|out)\w+\s+debug\s+RECV: </.test(line));
      expect(received.length).toBeGreaterThan(20);
      // The answers to what bob asked carry the addresses that he wrote.
      expect(
        received.filter(
          (line) => /ceo@h\.example|corner-office/.test(line) && !/type='(error|unsubscribed)'/.test(line),
        ),
      ).toEqual([]);
      expect(received.filter((line) => /in-the-vault/.test(line))).toEqual([]);
    });
  });

  async function subscribe(name: User): Promise<void> {
    const to = `${name}@${home}`;
    await bob.send(xml('presence', { to, type: 'subscribe' }));
    await locals[name].presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === bob.bareJid);
    await locals[name].send(xml('presence', { to: bob.bareJid, type: 'subscribed' }));
    await bob.presences.next(({ attrs }) => attrs.type === 'subscribed' && attrs.from === to);
    await bob.presences.next(({ attrs }) => attrs.type === undefined && attrs.from === locals[name].jid);
  }
});

async function enter(user: TestClient, room: string, nick: string): Promise<void> {
  await user.send(xml('presence', { to: `${room}/${nick}` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })));
  await user.presences.next(({ attrs }) => attrs.from === `${room}/${nick}` && attrs.type === undefined);
}

function field(name: string, value: string): Element {
  return xml('field', { var: name }, xml('value', {}, value));
}

/** Type and conditions of a stanza error. */
function error(stanza: Element | undefined) {
  const found = stanza?.getChild('error');
  return { type: found?.attrs.type, conditions: found?.children.map((child) => (child as Element).name) };
}
