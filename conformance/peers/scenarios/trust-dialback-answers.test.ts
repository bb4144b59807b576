import { xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import { DialbackWorld, forged, home, messageXml, ourKeys, rooms } from '../dialback-world.ts';
import { Federation, homeDomain, homeRooms, partnerDomain } from '../federation.ts';
import type { GatewayProcess } from '../gateway.ts';
import { dialback } from '../raw-partner.ts';
import { acks, dialbackErrors, external, type RawServer } from '../raw-server.ts';

const bidi = "<bidi xmlns='urn:xmpp:bidi'/>";

describe.runIf(requirePeers('prosody'))('Several domains and hostile answers in dialback', () => {
  let dialbacks: DialbackWorld;
  let gateway: GatewayProcess;
  let alice: TestClient;

  beforeAll(async () => {
    dialbacks = await DialbackWorld.start();
    ({ gateway, alice } = dialbacks);
  });
  afterAll(() => dialbacks?.close());

  describe('against answers that nobody asked for', () => {
    it.each([
      ['result', { from: 'd.example', to: home, type: 'valid' }],
      ['verify', { from: 'd.example', to: home, id: 'any', type: 'valid' }],
    ] as const)('takes no db:%s of type valid on a stream that others opened', async (name, attributes) => {
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('d.example');
      await partner.stream.write(dialback(name, attributes) + messageXml('bob@d.example', 'by a hole of 2012'));
      expect(await partner.streamError()).toBe('not-authorized');
      expect(await gateway.logged({ event: 'dialback-refused', reason: 'dialback-unsolicited' }, before)).toMatchObject(
        { direction: 'inbound' },
      );
      await gateway.logged({ event: 'stream-refused', reason: 'stanza-before-proof' }, before);
    });

    it('asks the authoritative server on a connection of its own, and hears nobody else', async () => {
      const authoritative = await dialbacks.serve(dialbackErrors);
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('s.example');
      await partner.stream.write(bidi + dialback('result', { from: 's.example', to: home }, 'a key'));
      const asked = await authoritative.next();
      expect(await asked.asked('verify')).toEqual({ from: home, to: 's.example', id: partner.id, key: 'a key' });
      for (const id of [partner.id, asked.id])
        await partner.stream.write(dialback('verify', { from: 's.example', to: home, id, type: 'valid' }));
      await partner.stream.write(dialback('result', { from: 's.example', to: home, type: 'valid' }));
      for (const attributes of [
        { from: 's.example', to: home, id: 'another', type: 'valid' },
        { from: 's.example', to: rooms, id: partner.id, type: 'valid' },
        { from: 'd.example', to: home, id: partner.id, type: 'valid' },
      ]) {
        await asked.stream.write(dialback('verify', attributes));
      }
      await asked.stream.write(dialback('result', { from: 's.example', to: home, type: 'valid' }));
      await asked.stream.write(dialback('verify', { from: 's.example', to: home, id: partner.id, type: 'invalid' }));
      expect(await partner.stream.read(/<\/stream:stream>/)).toMatch(
        /^<db:result from='h\.example' to='s\.example' type='invalid'\/><\/stream:stream>$/,
      );
      await gateway.logged({ event: 'dialback-refused', reason: 'dialback-invalid', partner: 's.example' }, before);
      const unsolicited = { event: 'dialback-refused', reason: 'dialback-unsolicited' };
      const ignored = await gateway.loggedTimes(7, unsolicited, before);
      expect(ignored.map(({ direction }) => direction).sort()).toEqual([
        ...Array(3).fill('inbound'),
        ...Array(4).fill('outbound'),
      ]);
      expect(gateway.lines({ event: 'stream-proven', partner: 's.example' }, before)).toEqual([]);
      expect(authoritative.accepted).toBe(1);
    });

    it('believes no other answer than the one to its own claim', async () => {
      const authoritative = await dialbacks.serve(dialbackErrors + acks);
      const before = gateway.log.mark();
      await alice.say('bob@s.example', 'once we are proven');
      const served = await authoritative.next();
      const { key } = await served.asked('result');
      expect(key).toBe(ourKeys.key('s.example', home, served.id));
      for (const attributes of [
        { from: 's.example', to: rooms, type: 'valid' },
        { from: 'd.example', to: home, type: 'valid' },
        { from: home, to: 's.example', type: 'valid' },
      ]) {
        await served.stream.write(dialback('result', attributes));
      }
      await served.stream.write(dialback('verify', { from: 's.example', to: home, id: served.id, type: 'valid' }));
      await served.stream.write(dialback('result', { from: 's.example', to: home, type: 'valid' }));
      await served.declineAcks();
      const sent = await served.stream.read(/<\/message>/);
      expect(sent).toMatch(/^<message[^>]*><body>once we are proven<\/body><\/message>$/);
      const unsolicited = { event: 'dialback-refused', reason: 'dialback-unsolicited', direction: 'outbound' };
      expect(await gateway.loggedTimes(4, unsolicited, before)).toHaveLength(4);
      expect(
        gateway
          .lines({ event: 'stream-proven', direction: 'outbound' }, before)
          .map((line) => [line.partner, line.home]),
      ).toEqual([['s.example', home]]);
    });

    it('brings a message back when its own key is disowned', async () => {
      const authoritative = await dialbacks.serve(dialbackErrors);
      const before = gateway.log.mark();
      await alice.say('bob@s.example', 'never delivered', 'id-1');
      const served = await authoritative.next();
      await served.asked('result');
      await served.stream.write(dialback('result', { from: 's.example', to: home, type: 'invalid' }));
      const answer = await alice.messages.next();
      expect(answer.attrs).toMatchObject({ type: 'error', id: 'id-1', from: 'bob@s.example' });
      await gateway.logged({ event: 'partner-unreachable', reason: 'dialback-invalid', partner: 's.example' }, before);
    });
  });

  describe('with several domains on one stream', () => {
    it('hears two partners on a stream of theirs, each for itself', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('d.example');
      for (const domain of ['d.example', 'e.example'] as const) {
        expect(await partner.claim(domain, home, dialbacks.keyOf(domain, partner))).toContain("type='valid'");
        await partner.stream.write(messageXml(`bob@${domain}`, `from ${domain}`));
        expect((await alice.messages.next()).attrs.from).toBe(`bob@${domain}`);
      }
      expect(await partner.claim('e.example', rooms, forged)).toMatch(/type='error'.*<forbidden /);
      await partner.stream.write(messageXml('bob@e.example', 'as before'));
      expect((await alice.messages.next()).getChildText('body')).toBe('as before');
      await partner.stream.write(messageXml('bob@b.example', 'by company kept'));
      expect(await partner.streamError()).toBe('invalid-from');
      await gateway.logged({ event: 'stream-refused', reason: 'sender-not-proven' }, before);
    });

    it('adds a home domain to a stream of ours that takes it', async () => {
      const peer = await dialbacks.serve(external);
      const before = gateway.log.mark();
      const served = await firstStream(peer, before);
      await pingRooms();
      expect(await served.asked('result')).toMatchObject({
        from: rooms,
        to: 's.example',
        key: ourKeys.key('s.example', rooms, served.id),
      });
      await served.stream.write(dialback('result', { from: 's.example', to: rooms, type: 'valid' }));
      await served.stream.read(/<iq[^>]*id=['"]ping-1['"][^>]*>/);
      await gateway.logged(
        { event: 'stream-proven', direction: 'outbound', partner: 's.example', home: rooms },
        before,
      );
      await alice.say('bob@s.example', 'the first pair goes on');
      await served.stream.read(/the first pair goes on/);
      expect(peer.accepted).toBe(1);
    });

    it('opens another stream for a home domain that the first does not take', async () => {
      const peer = await dialbacks.serve(external);
      const before = gateway.log.mark();
      const served = await firstStream(peer, before);
      await pingRooms();
      await served.asked('result');
      await served.stream.write(
        dialback(
          'result',
          { from: 's.example', to: rooms, type: 'error' },
          "<error type='cancel'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
        ),
      );
      const second = await peer.next();
      expect(second.header).toContain(`from='${rooms}'`);
      await second.acceptExternal(dialbackErrors);
      await second.stream.read(/<iq[^>]*id=['"]ping-1['"][^>]*>/);
      await gateway.logged(
        { event: 'dialback-refused', reason: 'dialback-unreachable', partner: 's.example', home: rooms },
        before,
      );
      await alice.say('bob@s.example', 'the first pair goes on');
      await served.stream.read(/the first pair goes on/);
      expect(peer.accepted).toBe(2);
    });

    /** Our stream for alice, taken by EXTERNAL and open for more. */
    async function firstStream(peer: RawServer, before: number) {
      await alice.say('bob@s.example', 'first');
      const served = await peer.next();
      await served.acceptExternal(dialbackErrors);
      await served.stream.read(/<body>first<\/body>/);
      await gateway.logged({ event: 'stream-proven', direction: 'outbound', partner: 's.example', home }, before);
      return served;
    }

    /** Makes the rooms of the home answer to s.example. */
    async function pingRooms(): Promise<void> {
      const partner = await dialbacks.proven(rooms);
      await partner.stream.write(
        `<iq type='get' id='ping-1' from='bob@s.example' to='${rooms}'><ping xmlns='urn:xmpp:ping'/></iq>`,
      );
    }
  });
});

describe.runIf(requirePeers('prosody', 'ejabberd'))('Several home domains towards an ejabberd, by dialback', () => {
  let federation: Federation;

  beforeAll(async () => {
    federation = await Federation.start({ partner: 'ejabberd', home: 'prosody', proof: 'dialback', tls: 'starttls' });
  });
  afterAll(() => federation?.close());

  it('share one stream of ours', async () => {
    const { gateway, partner } = federation;
    const [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    await alice.say(bob.jid, 'first');
    await bob.messages.next();
    const ask = xml('query', { xmlns: 'http://jabber.org/protocol/disco#info' });
    expect((await bob.request(xml('iq', { to: homeRooms, type: 'get' }, ask))).attrs.type).toBe('result');
    for (const home of [homeDomain, homeRooms]) {
      await gateway.logged({ event: 'stream-proven', direction: 'outbound', partner: partnerDomain, home });
      await partner.log.waitFor(new RegExp(`Accepted inbound s2s dialback authentication ${home} -> ${partnerDomain}`));
    }
    expect(await gateway.metrics()).toMatch(/^drawbridge_streams\{kind="outgoing"\} 1$/m);
  });
});
