import { xml } from '@xmpp/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import { Federation, homeDomain, homeRooms, partnerDomain, partnerRooms } from '../federation.ts';

const pairs = [
  { partner: 'prosody', home: 'prosody' },
  { partner: 'prosody', home: 'ejabberd' },
  { partner: 'ejabberd', home: 'prosody' },
] as const;
const proofs = [
  { proof: 'certificate', tls: 'starttls' },
  { proof: 'certificate', tls: 'direct' },
  { proof: 'dialback', tls: 'starttls' },
  { proof: 'dialback', tls: 'direct' },
] as const;
const cases = pairs.flatMap((pair) => proofs.map((proof) => ({ ...pair, ...proof })));

describe.runIf(requirePeers('prosody', 'ejabberd'))('Federation through the gateway', () => {
  describe.each(cases)('$partner ⇄ gateway ⇄ $home, by $proof over $tls', (options) => {
    let federation: Federation;
    let alice: TestClient;
    let bob: TestClient;

    beforeAll(async () => {
      federation = await Federation.start(options);
    });
    afterAll(() => federation?.close());
    beforeEach(async () => {
      [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    });
    afterEach(() => Promise.all([alice?.close(), bob?.close()]));

    it('carries messages both ways, whatever they say', async () => {
      const bodies = [
        'plain',
        'ñ 漢字 🦆 \u{1f468}‍\u{1f469}‍\u{1f467}',
        '<b>&amp; "quoted"</b> ]]> &lt;',
        'x'.repeat(99_997) + '漢🦆',
      ];
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        for (const body of bodies) {
          await from.say(to.jid, body, 'id-1');
          const received = await to.messages.next();
          expect(received.attrs.from).toBe(from.jid);
          expect(received.attrs.id).toBe('id-1');
          expect(received.getChildText('body')).toBe(body);
        }
      }
      const proven = federation.gateway.lines({ event: 'stream-proven', partner: partnerDomain });
      expect(new Set(proven.map(({ direction }) => direction))).toEqual(new Set(['inbound', 'outbound']));
      for (const line of proven) {
        const held = (line['evidence'] as { proof: string; holds: boolean }[]).filter(({ holds }) => holds);
        expect(held.map(({ proof }) => proof)).toEqual([options.proof]);
        expect(line['tls']).toMatch(/^TLSv1\.[23]$/);
      }
    });

    it('carries subscriptions and the presence that follows', async () => {
      for (const [watcher, watched] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await watcher.send(xml('presence', { to: watched.bareJid, type: 'subscribe' }));
        await watched.presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === watcher.bareJid);
        await watched.send(xml('presence', { to: watcher.bareJid, type: 'subscribed' }));
        await watcher.presences.next(({ attrs }) => attrs.type === 'subscribed' && attrs.from === watched.bareJid);
        await watcher.presences.next(({ attrs }) => attrs.type === undefined && attrs.from === watched.jid);
        await watched.becomeAvailable(xml('show', {}, 'away'), xml('status', {}, 'at lunch'));
        const away = await watcher.presences.next((presence) => presence.getChildText('show') === 'away');
        expect(away.getChildText('status')).toBe('at lunch');
      }
      for (const [watcher, watched] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await watcher.send(xml('presence', { to: watched.bareJid, type: 'unsubscribe' }));
        await watched.presences.next(({ attrs }) => attrs.type === 'unsubscribe' && attrs.from === watcher.bareJid);
      }
    });

    it('carries the IQs that the policy names, and no other', async () => {
      const ask = (to: string, xmlns: string, name = 'query') => xml('iq', { to, type: 'get' }, xml(name, { xmlns }));
      for (const [from, domain, to] of [
        [alice, partnerDomain, bob],
        [bob, homeDomain, alice],
      ] as const) {
        expect((await from.request(ask(domain, 'urn:xmpp:ping', 'ping'))).attrs.type).toBe('result');
        expect((await from.request(ask(to.jid, 'urn:xmpp:ping', 'ping'))).attrs.type).toBe('result');
        const info = await from.request(ask(domain, 'http://jabber.org/protocol/disco#info'));
        expect(info.getChild('query')?.getChildren('identity')).not.toHaveLength(0);
        const refused = await from.request(ask(to.jid, 'urn:xmpp:example:unknown'));
        expect(refused.attrs.type).toBe('error');
        expect(refused.getChild('error')?.getChild('service-unavailable')).toBeDefined();
      }
      const line = await federation.gateway.logged({ event: 'stanza-refused', reason: 'iq-namespace-denied' });
      expect(line.rule?.line).toBe(6);
      expect(line.rule?.file).toMatch(/p\.example\.yaml$/);
    });

    it('lets a user of one side speak in a room of the other', async () => {
      for (const [room, guest, host] of [
        [`talk@${homeRooms}`, bob, alice],
        [`talk@${partnerRooms}`, alice, bob],
      ] as const) {
        for (const [user, nick] of [
          [host, 'host'],
          [guest, 'guest'],
        ] as const) {
          await user.send(
            xml('presence', { to: `${room}/${nick}` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })),
          );
          await user.presences.next(({ attrs }) => attrs.from === `${room}/${nick}` && attrs.type === undefined);
        }
        for (const [user, nick, other] of [
          [guest, 'guest', host],
          [host, 'host', guest],
        ] as const) {
          await user.send(xml('message', { to: room, type: 'groupchat' }, xml('body', {}, `hello from ${nick}`)));
          const heard = await other.messages.next(({ attrs }) => attrs.from === `${room}/${nick}`);
          expect(heard.getChildText('body')).toBe(`hello from ${nick}`);
        }
        await guest.send(xml('presence', { to: `${room}/guest`, type: 'unavailable' }));
        await host.presences.next(({ attrs }) => attrs.from === `${room}/guest` && attrs.type === 'unavailable');
        guest.messages.clear();
        host.messages.clear();
      }
    });

    it('keeps the order of many messages sent at once', async () => {
      const bodies = Array.from({ length: 500 }, (_, n) => String(n));
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await from.sendAll(bodies.map((body) => xml('message', { to: to.jid, type: 'chat' }, xml('body', {}, body))));
        const received = await to.messages.take(bodies.length);
        expect(received.map((message) => message.getChildText('body'))).toEqual(bodies);
      }
    });
  });
});
