import { xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishSip } from '../dns.ts';
import { homeDomain, type LocalUser, partnerDomain, SipFederation, type SipHome } from '../sip-federation.ts';
import type { SipPeers } from '../sip-peers.ts';
import { headerValue } from '../sip-reader.ts';
import type { SipUser } from '../sip-user.ts';
import type { Sipp } from '../sipp.ts';
import { mailbox, messenger } from '../sipp-scenarios.ts';
import type { World } from '../world.ts';

const shy = 'shy.example';
const deaf = 'deaf.example';
const bulk = 'bulk.example';
/** More partners: two whose policies let messages through one way only, and one that is SIPp. */
const others = {
  [shy]: `partner: ${shy}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: outbound }\n`,
  [deaf]: `partner: ${deaf}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: inbound }\n`,
  [bulk]: `partner: ${bulk}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both }\ntrunk: { ping: 1h }\n`,
};

/** What asks whether a trunk works, which SIPp counts: once, soon after the start. */
const pings = 1;

const homes: readonly SipHome[] = ['prosody', 'embedded'];

// RFC 7572 between a partner's proxy and our users, RFC 7247 §7 where it fails.
describe.runIf(requirePeers('prosody', 'kamailio', 'baresip', 'sipp', 'stunnel'))('messages over a SIP trunk', () => {
  describe.each(homes)('to users at a home that is %s', (home) => {
    let federation: SipFederation;
    let alice: LocalUser;
    let bob: SipUser;

    let box: Sipp;

    /** A partner that is SIPp behind a TLS relay, whose certificate names it. */
    async function publishBox(sip: SipPeers, { dns }: World): Promise<void> {
      box = await sip.sippServer({ scenario: mailbox(), calls: 50 + pings });
      const certificate = await sip.sipCertificate(bulk);
      const relay = await sip.stunnel({ mode: 'unwrap', target: box, certificate });
      publishSip(dns, bulk, [{ host: relay.address, port: relay.port }]);
    }

    beforeAll(async () => {
      federation = await SipFederation.start({ home, others, before: publishBox });
      [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
    });
    afterAll(() => federation?.close());

    it('cross each way', async () => {
      expect((await bob.message(`sip:${alice.bareJid}`, 'grüß dich <&> 🦆')).statusCode).toBe(200);
      const received = await alice.messages.next();
      expect(received.getChildText('body')).toBe('grüß dich <&> 🦆');
      expect(received.attrs.from).toBe(`bob@${partnerDomain}`);
      expect([undefined, 'normal']).toContain(received.attrs.type);

      await alice.say(`bob@${partnerDomain}`, 'grüß dich <&> 🦆');
      const taken = await bob.messages.next();
      expect(taken.text).toBe('grüß dich <&> 🦆');
      expect(taken.type).toMatch(/^text\/plain/);
      expect(taken.from).toMatch(new RegExp(`^sip:alice@${homeDomain}`));
      expect(taken.message.getHeader('contact')).toBeUndefined();
    });

    it('carry subject, language and thread', async () => {
      const callId = 'a-conversation@p.example';
      const headers = ['Subject: lunch', 'Content-Language: de'];
      await bob.message(`sip:${alice.bareJid}`, 'Mahlzeit', { headers, callId });
      const received = await alice.messages.next();
      expect(received.getChildText('subject')).toBe('lunch');
      expect(received.attrs['xml:lang']).toBe('de');
      const thread = received.getChildText('thread');
      expect(thread).not.toBeNull();
      await alice.send(
        xml(
          'message',
          { to: `bob@${partnerDomain}`, type: 'chat', 'xml:lang': 'fr' },
          xml('subject', {}, 'déjeuner'),
          xml('body', {}, 'bon appétit'),
          xml('thread', {}, thread ?? ''),
        ),
      );
      const { message, text } = await bob.messages.next();
      expect(text).toBe('bon appétit');
      expect(message.callId).toBe(callId);
      expect(message.getHeader('subject')).toBe('déjeuner');
      expect(message.getHeader('content-language')).toBe('fr');
    });

    it('keep their order', async () => {
      const bodies = Array.from({ length: 50 }, (_, n) => String(n));
      for (const body of bodies) await alice.say(`bob@${partnerDomain}`, body);
      expect((await bob.messages.take(bodies.length)).map(({ text }) => text)).toEqual(bodies);
      for (const body of bodies) await bob.message(`sip:${alice.bareJid}`, body);
      const received = await alice.messages.take(bodies.length);
      expect(received.map((message) => message.getChildText('body'))).toEqual(bodies);
    });

    it('come back from a user whom the other side does not know', async () => {
      await alice.say(`nobody@${partnerDomain}`, 'anyone?', 'lost-1');
      const error = await alice.messages.next(({ attrs }) => attrs.type === 'error');
      expect(error.attrs).toMatchObject({ id: 'lost-1', from: `nobody@${partnerDomain}` });
      expect(error.getChild('error')?.getChild('item-not-found')).toBeDefined();
      const refused = await bob.message(`sip:nobody@${homeDomain}`, 'anyone?');
      // Both homes answer service-unavailable, lest accounts be counted (RFC 6121 §8.5.1): 403 by RFC 7247 §7.1.
      expect(refused.statusCode).toBe(403);
    });

    it('come back with what the phone said', async () => {
      for (const [status, condition] of [
        [480, 'recipient-unavailable'],
        [486, 'recipient-unavailable'],
        [415, 'not-acceptable'],
        [603, 'recipient-unavailable'],
      ] as const) {
        bob.answerMessage = () => ({ statusCode: status });
        await alice.say(`bob@${partnerDomain}`, 'are you there?', `no-${status}`);
        const error = await alice.messages.next(({ attrs }) => attrs.id === `no-${status}`);
        expect(error.getChild('error')?.getChild(condition), `${status}`).toBeDefined();
      }
      bob.answerMessage = () => ({ statusCode: 200 });
      bob.messages.clear();
    });

    it('are made plain text of where they are HTML, and refused where they are no text', async () => {
      const html = '<html><head><style>p {}</style></head><body><p>one &amp; <b>two</b></p><p>three</p></body></html>';
      expect((await bob.message(`sip:${alice.bareJid}`, html, { type: 'text/html' })).statusCode).toBe(200);
      const body = (await alice.messages.next()).getChildText('body') ?? '';
      expect(body).toMatch(/^one & two\s+three\s*$/);
      const image = await bob.message(`sip:${alice.bareJid}`, 'GIF89a', { type: 'image/gif' });
      expect(image.statusCode).toBe(415);
      expect(image.getHeader('accept')).toContain('text/plain');
      await alice.send(
        xml(
          'message',
          { to: `bob@${partnerDomain}`, type: 'chat' },
          xml('body', {}, 'one two'),
          xml(
            'html',
            { xmlns: 'http://jabber.org/protocol/xhtml-im' },
            xml('body', { xmlns: 'http://www.w3.org/1999/xhtml' }, xml('p', {}, 'one ', xml('b', {}, 'two'))),
          ),
        ),
      );
      expect(await bob.messages.next()).toMatchObject({ text: 'one two' });
    });

    it('are no longer than 1,300 bytes as MESSAGEs, and whole as stanzas', async () => {
      await alice.say(`bob@${partnerDomain}`, 'x'.repeat(1_301), 'long-1');
      const error = await alice.messages.next(({ attrs }) => attrs.id === 'long-1');
      expect(error.getChild('error')?.getChild('policy-violation')).toBeDefined();
      await alice.say(`bob@${partnerDomain}`, 'y'.repeat(600));
      expect((await bob.messages.next()).text).toBe('y'.repeat(600));
      expect((await bob.message(`sip:${alice.bareJid}`, 'z'.repeat(5_000))).statusCode).toBe(200);
      expect((await alice.messages.next()).getChildText('body')).toHaveLength(5_000);
    });

    it('are shown by a real telephone', async () => {
      const phone = await federation.sip.phone(federation.partner, 'bella');
      await alice.say(`bella@${partnerDomain}`, 'ring me');
      expect(await phone.messages.next()).toMatchObject({ text: 'ring me' });
      await phone.close();
    });

    it('come from SIPp, behind the proxy of the partner and behind a TLS relay of its own', async () => {
      const { sip, partner, gateway } = federation;
      const certificate = await sip.sipCertificate(partnerDomain);
      const trunk = { address: gateway.address, port: gateway.ports.sip };
      const relay = await sip.stunnel({ mode: 'wrap', target: trunk, certificate, serverName: homeDomain });
      const from = `sip:bert@${partnerDomain}`;
      for (const [target, transport] of [
        [{ address: partner.address, port: partner.ports.tcp }, 'TCP'],
        [relay, 'TLS'],
      ] as const) {
        const scenario = messenger({ from, domain: homeDomain, text: 'counted', transport });
        const sipp = await sip.sippClient({ scenario, target, calls: 100, rate: 200, service: 'alice' });
        expect(await sipp.finished).toMatchObject({ successful: 100, failed: 0, errors: '' });
        const received = await alice.messages.take(100);
        expect(new Set(received.map((message) => message.getChildText('body')))).toEqual(new Set(['counted']));
      }
    });

    it('go to SIPp behind a TLS relay', async () => {
      const bodies = Array.from({ length: 50 }, (_, n) => String(n));
      for (const body of bodies) await alice.say(`box@${bulk}`, body, `bulk-${body}`);
      expect(await box.finished).toMatchObject({ successful: 50 + pings, failed: 0 });
      expect(alice.messages.unread).toHaveLength(0);
    });

    it('are refused where the policy says so, and each side is told', async () => {
      const certificate = await federation.sip.sipCertificate(shy);
      const { certificatePem: cert, keyPem: key } = certificate;
      const { address, ports } = federation.gateway;
      const wire = await federation.sip.wire({ address, port: ports.sip, tls: { cert, key, servername: homeDomain } });
      const after = federation.gateway.log.mark();
      const text = [['Content-Type', 'text/plain']] as const;
      const refused = await wire.exchange({
        method: 'MESSAGE',
        target: `sip:alice@${homeDomain}`,
        from: `sip:sam@${shy}`,
        headers: text,
        body: 'let me in',
      });
      expect(refused.start).toMatch(/^SIP\/2\.0 403 /);
      const inbound = await federation.gateway.logged({ event: 'stanza-refused', partner: shy }, after);
      expect(inbound.rule?.file).toMatch(/shy\.example\.yaml$/);

      await alice.say(`dora@${deaf}`, 'hello?', 'deaf-1');
      const error = await alice.messages.next(({ attrs }) => attrs.id === 'deaf-1');
      expect(error.getChild('error')?.getChild('policy-violation')).toBeDefined();
      const refusal = { event: 'stanza-refused', partner: deaf, reason: 'direction-denied' };
      const outbound = await federation.gateway.logged(refusal, after);
      expect(outbound.rule?.file).toMatch(/deaf\.example\.yaml$/);
      await wire.close();
    });

    it('to sips: addresses do not cross', async () => {
      const refused = await bob.message(`sips:alice@${homeDomain}`, 'only over TLS');
      expect(refused.statusCode).toBe(480);
      expect(refused.getHeader('warning')).toContain('380');
    });

    it('from another domain than the certificate names are refused', async () => {
      const { certificatePem: cert, keyPem: key } = await federation.sip.sipCertificate(shy);
      const { address, ports } = federation.gateway;
      const wire = await federation.sip.wire({ address, port: ports.sip, tls: { cert, key, servername: homeDomain } });
      const answer = await wire.exchange({
        method: 'MESSAGE',
        target: `sip:alice@${homeDomain}`,
        from: `sip:bob@${partnerDomain}`,
        headers: [['Content-Type', 'text/plain']],
        body: 'I am bob',
      });
      expect(answer.start).toMatch(/^SIP\/2\.0 403 /);
      expect(headerValue(answer, 'warning') + answer.start).not.toContain(shy);
      expect(alice.messages.unread).toHaveLength(0);
      await wire.close();
    });
  });
});
