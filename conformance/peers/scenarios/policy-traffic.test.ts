import { xml } from '@xmpp/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { Element, TestClient } from '../client.ts';
import { Federation, homeDomain, partnerDomain, partnerRooms } from '../federation.ts';
import { RawPartner } from '../raw-partner.ts';

const file = `${partnerDomain}.yaml`;
const sections = {
  messages: 'messages: { allow: both }',
  iq: 'iq: { allow: [ping] }',
  limits: '',
};
/** Lines of the sections in the policy. */
const lineOf = { messages: 5, iq: 6, limits: 7 };

const policy = (changed: Partial<typeof sections> = {}) => {
  const { messages, iq, limits } = { ...sections, ...changed };
  return `partner: ${partnerDomain}
domains: [${partnerDomain}, ${partnerRooms}]
trust: { accept: [certificate] }
presence: [{ local: "*", show: full }]
${messages}
${iq}
${limits}
`;
};

const message = (to: string, id: string, body = id, type = 'chat') =>
  xml('message', { to, type, id }, xml('body', {}, body));
const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `id-${n + from}`);

describe.runIf(requirePeers('prosody'))('What a policy lets cross', () => {
  let federation: Federation;
  let alice: TestClient;
  let bob: TestClient;

  beforeAll(async () => {
    federation = await Federation.start({
      partner: 'prosody',
      home: 'prosody',
      proof: 'certificate',
      tls: 'starttls',
      policy: policy(),
    });
    await Promise.all([1, 2, 3].map((n) => federation.home.addUser(`user${n}`, 'pass')));
    [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    await use();
    await crosses(alice, bob, 'warm');
    await crosses(bob, alice, 'warm');
  });
  afterAll(() => federation?.close());
  beforeEach(() => {
    for (const { messages, presences, iqs } of [alice, bob])
      for (const inbox of [messages, presences, iqs]) inbox.clear();
  });

  /** Puts this policy in force. */
  async function use(changed: Partial<typeof sections> = {}): Promise<void> {
    const line = await federation.gateway.writePolicy(file, policy(changed));
    expect(line.event).toBe('reloaded');
  }

  async function crosses(from: TestClient, to: TestClient, id: string): Promise<void> {
    await from.send(message(to.jid, id));
    expect((await to.messages.next()).attrs).toMatchObject({ id, from: from.jid });
  }

  /** The sender has it back, once, with the gateway's reason in the log. */
  async function comesBack(
    from: TestClient,
    to: TestClient,
    stanza: Element,
    expected: { type: string; condition: string; reason: string; line: number | undefined },
  ): Promise<void> {
    const { gateway } = federation;
    const mark = gateway.log.mark();
    await from.send(stanza);
    const answer = await from.messages.next();
    expect(answer.attrs).toMatchObject({ type: 'error', id: stanza.attrs.id, from: to.jid });
    expect(errorOf(answer)).toEqual({ type: expected.type, condition: expected.condition });
    const lines = await gateway.loggedTimes(1, { event: 'stanza-refused' }, mark);
    expect(lines.map(({ reason, rule }) => ({ reason, line: rule?.line }))).toEqual([
      { reason: expected.reason, line: expected.line },
    ]);
    expect(to.messages.unread).toEqual([]);
  }

  describe('of messages', () => {
    const denied = { type: 'cancel', condition: 'policy-violation', reason: 'direction-denied', line: lineOf.messages };

    it.each(['inbound', 'outbound', 'none'])('is %s where it says so', async (allow) => {
      await use({ messages: `messages: { allow: ${allow} }` });
      if (allow === 'inbound') await crosses(bob, alice, 'in');
      else await comesBack(bob, alice, message(alice.jid, 'in'), denied);
      if (allow === 'outbound') await crosses(alice, bob, 'out');
      else await comesBack(alice, bob, message(bob.jid, 'out'), denied);
    });

    it('is nothing where it is silent', async () => {
      await use({ messages: '' });
      const silent = { type: 'cancel', condition: 'service-unavailable', reason: 'policy-silent', line: undefined };
      await comesBack(alice, bob, message(bob.jid, 'out'), silent);
      await comesBack(bob, alice, message(alice.jid, 'in'), silent);
    });

    it('is no larger than it says', async () => {
      await use({ messages: 'messages: { allow: both, maxBytes: 4096 }' });
      const tooBig = {
        type: 'modify',
        condition: 'policy-violation',
        reason: 'message-too-big',
        line: lineOf.messages,
      };
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await crosses(from, to, 'small');
        await comesBack(from, to, message(to.jid, 'big', 'x'.repeat(4096)), tooBig);
        await comesBack(from, to, message(to.jid, 'wide', '漢'.repeat(1366)), tooBig);
        await crosses(from, to, 'small again');
      }
    });

    it('answers no error, whatever becomes of it', async () => {
      await use({ messages: 'messages: { allow: none }' });
      const { gateway } = federation;
      const mark = gateway.log.mark();
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await from.send(xml('message', { to: to.jid, type: 'error', id: 'error' }, xml('error', { type: 'cancel' })));
        await fence(from);
        expect([...from.messages.unread, ...to.messages.unread]).toEqual([]);
      }
      expect(await gateway.loggedTimes(2, { event: 'stanza-refused', type: 'error' }, mark)).toHaveLength(2);
    });
  });

  describe('of IQs', () => {
    const get = (to: string, xmlns: string, name = 'query') => xml('iq', { to, type: 'get' }, xml(name, { xmlns }));

    it.each([
      {
        written: 'iq: { allow: ["jabber:iq:version"] }',
        passes: ['jabber:iq:version'],
        fails: ['urn:xmpp:ping', 'http://jabber.org/protocol/disco#info'],
      },
      {
        written: 'iq: { allow: [disco] }',
        passes: ['http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items'],
        fails: ['urn:xmpp:ping', 'jabber:iq:version'],
      },
      { written: 'iq: { allow: [] }', passes: [], fails: ['urn:xmpp:ping', 'jabber:iq:version', 'urn:xmpp:mam:2'] },
      {
        written: '',
        passes: ['urn:xmpp:ping', 'jabber:iq:version', 'http://jabber.org/protocol/disco#info'],
        fails: ['urn:xmpp:mam:2', 'jabber:iq:roster', 'urn:xmpp:pingu'],
      },
    ])('is what "$written" lists', async ({ written, passes, fails }) => {
      await use({ iq: written });
      const { gateway } = federation;
      for (const [from, domain] of [
        [alice, partnerDomain],
        [bob, homeDomain],
      ] as const) {
        for (const xmlns of passes)
          expect(
            (await from.request(get(domain, xmlns, xmlns === 'urn:xmpp:ping' ? 'ping' : 'query'))).attrs.type,
          ).toBe('result');
        for (const xmlns of fails) {
          const mark = gateway.log.mark();
          expect(errorOf(await from.request(get(domain, xmlns)))).toEqual({
            type: 'cancel',
            condition: 'service-unavailable',
          });
          const line = await gateway.logged({ event: 'stanza-refused', reason: 'iq-namespace-denied' }, mark);
          expect(line.rule?.line).toBe(written === '' ? undefined : lineOf.iq);
        }
      }
    });

    it('is no answer that nobody asked for', async () => {
      await use();
      const { gateway } = federation;
      const mark = gateway.log.mark();
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await from.sendAll([
          xml('iq', { to: to.jid, type: 'result', id: 'made-up' }, xml('query', { xmlns: 'urn:example:smuggled' })),
          xml('iq', { to: to.jid, type: 'error', id: 'made-up-too' }, xml('error', { type: 'cancel' })),
        ]);
        await crosses(from, to, 'a fence');
        expect([...from.iqs.unread, ...to.iqs.unread]).toEqual([]);
      }
      expect(await gateway.loggedTimes(4, { event: 'stanza-refused', reason: 'iq-unsolicited' }, mark)).toHaveLength(4);
    });

    it('is no second answer', async () => {
      await use();
      const request = alice.request(
        xml('iq', { to: bob.jid, type: 'get', id: 'once' }, xml('ping', { xmlns: 'urn:xmpp:ping' })),
      );
      expect((await request).attrs.type).toBe('result');
      await bob.send(xml('iq', { to: alice.jid, type: 'result', id: 'once' }));
      await crosses(bob, alice, 'a fence');
      expect(alice.iqs.unread).toEqual([]);
    });
  });

  describe('by number', () => {
    const overMany = { type: 'wait', condition: 'resource-constraint' };

    it('is a burst of messages, and exactly what exceeds it comes back', async () => {
      await use({ limits: 'limits: { messages: { rate: 1/h, burst: 5 } }' });
      const { gateway } = federation;
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        const mark = gateway.log.mark();
        await from.sendAll(ids(12).map((id) => message(to.jid, id)));
        expect((await to.messages.take(5)).map(({ attrs }) => attrs.id)).toEqual(ids(5));
        const answers = await from.messages.take(7);
        expect(answers.map(({ attrs }) => attrs.id)).toEqual(ids(7, 5));
        for (const answer of answers) expect(errorOf(answer)).toEqual(overMany);
        const lines = await gateway.loggedTimes(7, { event: 'stanza-refused', reason: 'rate-messages' }, mark);
        expect(lines.map(({ rule }) => rule?.line)).toEqual(Array(7).fill(lineOf.limits));
        await from.send(xml('message', { to: to.jid, type: 'error', id: 'error' }, xml('error', { type: 'cancel' })));
        await fence(from);
        expect([...from.messages.unread, ...to.messages.unread]).toEqual([]);
      }
    });

    it('is a burst of requests', async () => {
      await use({ limits: 'limits: { iq: { rate: 1/h, burst: 3 } }' });
      const asked = await Promise.all(
        ids(5).map(() =>
          bob.request(xml('iq', { to: homeDomain, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' }))),
        ),
      );
      expect(asked.map(({ attrs }) => attrs.type)).toEqual(['result', 'result', 'result', 'error', 'error']);
      expect(asked.slice(3).map(errorOf)).toEqual([overMany, overMany]);
    });

    it('is a burst of requests for subscription', async () => {
      await use({ limits: 'limits: { subscriptions: { rate: 1/h, burst: 2 } }' });
      const mark = federation.gateway.log.mark();
      const to = [1, 2, 3].map((n) => `user${n}@${homeDomain}`);
      await bob.sendAll(to.map((address) => xml('presence', { to: address, type: 'subscribe', id: address })));
      const answer = await bob.presences.next(({ attrs }) => attrs.type === 'error');
      expect(answer.attrs.from).toBe(to[2]);
      expect(errorOf(answer)).toEqual(overMany);
      const line = await federation.gateway.logged({ event: 'stanza-refused', reason: 'rate-subscriptions' }, mark);
      expect(line.rule?.line).toBe(lineOf.limits);
      await Promise.all(
        [0, 1].map(async (n) => {
          const user = await federation.world.client(federation.home, `user${n + 1}`, { password: 'pass' });
          await user.presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === bob.bareJid);
          await user.close();
        }),
      );
      await use();
      await bob.sendAll(to.map((address) => xml('presence', { to: address, type: 'unsubscribe' })));
      await fence(bob);
    });

    it('is as many contacts as it says, and those who are may stay', async () => {
      await use({ limits: 'limits: { contacts: 2 }' });
      const mark = federation.gateway.log.mark();
      const ask = async (name: string) => {
        await bob.send(xml('presence', { to: `${name}@${homeDomain}`, type: 'subscribe' }));
      };
      for (const name of ['alice', 'ceo', 'user1']) await ask(name);
      const answer = await bob.presences.next(({ attrs }) => attrs.type === 'error');
      expect(answer.attrs.from).toBe(`user1@${homeDomain}`);
      expect(errorOf(answer)).toEqual(overMany);
      await alice.presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === bob.bareJid);
      await alice.send(xml('presence', { to: bob.bareJid, type: 'subscribed' }));
      await bob.presences.next(({ attrs }) => attrs.type === 'subscribed' && attrs.from === alice.bareJid);
      const line = await federation.gateway.logged(
        { event: 'stanza-refused', reason: 'contacts-full', direction: 'inbound' },
        mark,
      );
      expect(line.rule?.line).toBe(lineOf.limits);
      await bob.send(xml('presence', { to: `ceo@${homeDomain}`, type: 'unsubscribe' }));
      await ask('user1');
      const user = await federation.world.client(federation.home, 'user1', { password: 'pass' });
      await user.presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === bob.bareJid);
      expect(
        await federation.gateway.loggedTimes(1, { event: 'stanza-refused', reason: 'contacts-full' }, mark),
      ).toHaveLength(1);
      await user.close();
    });

    it('is as many streams as it says', async () => {
      const { gateway, world } = federation;
      const raw = 'r.example';
      await gateway.writePolicy(
        `${raw}.yaml`,
        `partner: ${raw}\ntrust: { accept: [certificate] }\nlimits: { connections: 2 }\n`,
      );
      const certificate = await world.authority.issue({ domains: [raw] });
      const mark = gateway.log.mark();
      const proven = () => RawPartner.proven(gateway, { from: raw, to: homeDomain, certificate });
      const [first, second] = [await proven(), await proven()];
      const third = await RawPartner.secured(gateway, { from: raw, to: homeDomain, certificate });
      await third.features();
      await third.stream.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
      expect(await third.streamError()).toBe('resource-constraint');
      await gateway.logged(
        { event: 'stream-refused', reason: 'connections-full', partner: raw, condition: 'resource-constraint' },
        mark,
      );
      await first.stream.write('</stream:stream>');
      await first.stream.closed;
      await gateway.logged({ event: 'stream-closed', partner: raw }, mark);
      const fourth = await proven();
      await Promise.all([second.close(), fourth.close()]);
      expect(await gateway.loggedTimes(1, { event: 'stream-refused', partner: raw }, mark)).toHaveLength(1);
    });

    it('counts streams, not the domains that are proven on one', async () => {
      const { gateway, world } = federation;
      const raw = 'w.example';
      await gateway.writePolicy(
        `${raw}.yaml`,
        `partner: ${raw}\ndomains: [${raw}, "*.${raw}"]\ntrust: { accept: [certificate] }\nlimits: { connections: 2 }\n`,
      );
      const certificate = await world.authority.issue({ domains: [raw, `*.${raw}`] });
      const proven = () => RawPartner.proven(gateway, { from: raw, to: homeDomain, certificate });
      const one = await proven();
      for (let n = 0; n < 30; n++) expect(await one.claim(`d${n}.${raw}`, homeDomain, 'any')).toContain("type='valid'");
      const two = await proven();
      await Promise.all([one.close(), two.close()]);
    });
  });

  /** Resolves when the gateway has seen all that this user sent to the other side, and this user what came of it. */
  async function fence(from: TestClient): Promise<void> {
    const to = from === alice ? partnerDomain : homeDomain;
    expect(
      (await from.request(xml('iq', { to, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' })))).attrs.type,
    ).toBe('result');
  }
});

function errorOf(stanza: Element) {
  const error = stanza.getChild('error');
  const condition = error?.children.find((child): child is Element => typeof child !== 'string')?.name;
  return { type: error?.attrs.type, condition };
}
