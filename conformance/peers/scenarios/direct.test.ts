import { createHash, X509Certificate } from 'node:crypto';
import { xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeyPair, selfSigned } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { publishXmpp } from '../dns.ts';
import type { Ejabberd } from '../ejabberd.ts';
import type { Peer } from '../peer.ts';
import type { Prosody } from '../prosody.ts';
import { RawStream, streamHeader } from '../raw.ts';
import { World } from '../world.ts';

const secret = 'component-secret';

/**
 * The baseline of every scenario: what two servers do when no gateway stands between them. Where this fails, certificates, DNS or the harness are
 * wrong, not the gateway.
 */
describe.runIf(requirePeers('prosody', 'ejabberd'))('Prosody and ejabberd without a gateway', () => {
  describe.each([
    { proof: 'certificates over STARTTLS', dialback: false, directTls: false },
    { proof: 'certificates over direct TLS', dialback: false, directTls: true },
    { proof: 'dialback, with self-signed certificates', dialback: true, directTls: false },
  ])('proven by $proof', ({ dialback, directTls }) => {
    let world: World;
    let prosody: Prosody;
    let ejabberd: Ejabberd;

    beforeAll(async () => {
      world = await World.start();
      const shared = { dialback, directTls };
      [prosody, ejabberd] = await Promise.all([
        world.prosody({
          ...shared,
          domain: 'a.example',
          users: { alice: 'pass-a' },
          ...(await ownCertificate('a.example')),
        }),
        world.ejabberd({
          ...shared,
          domain: 'c.example',
          users: { carol: 'pass-c' },
          ...(await ownCertificate('c.example')),
        }),
      ]);
    });

    afterAll(() => world?.close());

    it('carries a message each way', async () => {
      const [alice, carol] = await Promise.all([world.client(prosody, 'alice'), world.client(ejabberd, 'carol')]);
      const body = 'ñ 漢字 🦆 <b>&amp;</b>';
      await alice.say(carol.bareJid, body);
      const toCarol = await carol.messages.next();
      expect(toCarol.attrs.from).toBe(alice.jid);
      expect(toCarol.getChildText('body')).toBe(body);

      await carol.say(alice.jid, body);
      const toAlice = await alice.messages.next();
      expect(toAlice.attrs.from).toBe(carol.jid);
      expect(toAlice.getChildText('body')).toBe(body);

      const how = dialback ? 'dialback' : 'EXTERNAL';
      await ejabberd.log.waitFor(new RegExp(`Accepted inbound s2s ${how} authentication a.example -> c.example`));
      await ejabberd.log.waitFor(new RegExp(`Accepted outbound s2s ${how} authentication c.example -> a.example`));
      expect(world.dns.count('_xmpps-server._tcp.a.example', 'SRV')).toBeGreaterThan(0);
    });

    async function ownCertificate(domain: string): Promise<{ certificate?: KeyPair }> {
      return dialback ? { certificate: await selfSigned(domain) } : {};
    }
  });

  describe('with everything a scenario needs of them', () => {
    let world: World;
    let prosody: Prosody;
    let ejabberd: Ejabberd;

    beforeAll(async () => {
      world = await World.start();
      const components = [{ domain: 'partner.example', secret }];
      [prosody, ejabberd] = await Promise.all([
        world.prosody({ domain: 'a.example', users: { alice: 'pass-a' }, rooms: 'conference.a.example', components }),
        world.ejabberd({ domain: 'c.example', users: { carol: 'pass-c' }, rooms: 'conference.c.example', components }),
      ]);
    });

    afterAll(() => world?.close());

    it('keeps every character of 100 KB of multi-byte text, in order', async () => {
      const [alice, carol] = await Promise.all([world.client(prosody, 'alice'), world.client(ejabberd, 'carol')]);
      await alice.say(carol.bareJid, 'warm'); // Prosody reorders what it queued on a cold link
      await carol.messages.next();
      const bodies = [0, 1, 2].map((shift) => 'x'.repeat(shift) + '漢🦆ñ'.repeat(11_112));
      await alice.sendAll(bodies.map((body) => xml('message', { to: carol.jid, type: 'chat' }, xml('body', {}, body))));
      const received = (await carol.messages.take(3)).map((message) => digest(message.getChildText('body') ?? ''));
      expect(received).toEqual(bodies.map(digest));
      await Promise.all([alice.close(), carol.close()]);
    });

    it('lets each user subscribe to the presence of the other', async () => {
      const [alice, carol] = await Promise.all([world.client(prosody, 'alice'), world.client(ejabberd, 'carol')]);
      for (const [watcher, watched] of [
        [alice, carol],
        [carol, alice],
      ] as const) {
        await watcher.send(xml('presence', { to: watched.bareJid, type: 'subscribe' }));
        await watched.presences.next(({ attrs }) => attrs.type === 'subscribe' && attrs.from === watcher.bareJid);
        await watched.send(xml('presence', { to: watcher.bareJid, type: 'subscribed' }));
        await watcher.presences.next(({ attrs }) => attrs.type === 'subscribed' && attrs.from === watched.bareJid);
        await watcher.presences.next(({ attrs }) => attrs.type === undefined && attrs.from === watched.jid);
        await watched.becomeAvailable(xml('show', {}, 'away'), xml('status', {}, 'at lunch'));
        const away = await watcher.presences.next((presence) => presence.getChildText('show') === 'away');
        expect(away.attrs.from).toBe(watched.jid);
        expect(away.getChildText('status')).toBe('at lunch');
      }
      await Promise.all([alice.close(), carol.close()]);
    });

    it('lets each user speak in a room of the other server', async () => {
      const [alice, carol] = await Promise.all([world.client(prosody, 'alice'), world.client(ejabberd, 'carol')]);
      for (const [room, guest, host] of [
        ['talk@conference.a.example', carol, alice],
        ['talk@conference.c.example', alice, carol],
      ] as const) {
        for (const user of [host, guest]) {
          const join = xml('x', { xmlns: 'http://jabber.org/protocol/muc' });
          await user.send(xml('presence', { to: `${room}/${user.bareJid}` }, join));
          await user.presences.next(
            ({ attrs }) => attrs.from === `${room}/${user.bareJid}` && attrs.type === undefined,
          );
        }
        await guest.send(
          xml('message', { to: room, type: 'groupchat' }, xml('body', {}, `hello from ${guest.bareJid}`)),
        );
        const heard = await host.messages.next(({ attrs }) => attrs.from === `${room}/${guest.bareJid}`);
        expect(heard.getChildText('body')).toBe(`hello from ${guest.bareJid}`);
      }
      await Promise.all([alice.close(), carol.close()]);
    });

    it('hands traffic for an attached domain to its component and back', async () => {
      for (const [peer, name] of [
        [prosody, 'alice'],
        [ejabberd, 'carol'],
      ] as const) {
        const user = await world.client(peer, name);
        const component = await attach(peer);
        await user.say('bob@partner.example', 'to the component');
        expect(await component.read(/<message[\s\S]*?<\/message>/)).toMatch(/<body>to the component<\/body>/);
        await component.write(`<message from='bob@partner.example' to='${user.jid}'><body>and back</body></message>`);
        expect((await user.messages.next()).getChildText('body')).toBe('and back');
        await component.close();
        await user.close();
      }
    });

    it('presents a new certificate after rotation and keeps its streams', async () => {
      const [alice, carol] = await Promise.all([world.client(prosody, 'alice'), world.client(ejabberd, 'carol')]);
      await alice.say(carol.bareJid, 'before');
      await carol.messages.next();
      await carol.say(alice.bareJid, 'before');
      await alice.messages.next();
      for (const peer of [prosody, ejabberd]) {
        const renewed = await world.authority.issue({ domains: [peer.domain] });
        expect(await presentedBy(peer)).not.toBe(fingerprint(renewed));
        await peer.rotateCertificate(renewed);
        expect(await presentedBy(peer)).toBe(fingerprint(renewed));
      }
      const mark = ejabberd.log.mark();
      await alice.say(carol.bareJid, 'after');
      expect((await carol.messages.next()).getChildText('body')).toBe('after');
      await carol.say(alice.bareJid, 'after');
      expect((await alice.messages.next()).getChildText('body')).toBe('after');
      expect(ejabberd.log.matching(/Accepted (in|out)bound s2s/, mark)).toEqual([]);
      await Promise.all([alice.close(), carol.close()]);
    });

    it.each(['stopped', 'killed'] as const)(
      'keeps ports and accounts, and what waits for its users, when %s',
      async (how) => {
        for (const [home, name, far, sender] of [
          [prosody, 'alice', ejabberd, 'carol'],
          [ejabberd, 'carol', prosody, 'alice'],
        ] as const) {
          const from = await world.client(far, sender);
          await from.say(`${name}@${home.domain}`, `waiting while ${how}`);
          const ping = xml('iq', { to: home.domain, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' }));
          expect((await from.request(ping)).attrs.type).toBe('result'); // the message came before: it is stored
          if (home === ejabberd) await ejabberd.flush();
          if (how === 'killed') await home.kill();
          else await home.stop();
          await home.start();
          const user = await world.client(home, name);
          expect((await user.messages.next()).getChildText('body')).toBe(`waiting while ${how}`);
          await from.say(`${name}@${home.domain}`, 'afterwards');
          const came = user.messages.next((message) => message.getChildText('body') === 'afterwards');
          expect((await came).attrs.from).toBe(from.jid);
          await Promise.all([user.close(), from.close()]);
        }
      },
    );

    it('is found at the second SRV target when the first does not accept', async () => {
      for (const [home, far, sender] of [
        [prosody, ejabberd, 'carol'],
        [ejabberd, prosody, 'alice'],
      ] as const) {
        const { address, domain, ports } = home;
        await far.restart(); // no stream is left, and nothing is cached
        publishXmpp(world.dns, domain, [
          { host: world.loopback.address(), port: ports.s2s, priority: 1 },
          { host: address, port: ports.s2s, priority: 2 },
        ]);
        const user = await world.client(far, sender);
        const ping = xml('iq', { to: domain, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' }));
        expect((await user.request(ping)).attrs.type).toBe('result');
        await user.close();
      }
    });
  });

  /** XEP-0114 §3, by hand. */
  async function attach(peer: Peer): Promise<RawStream> {
    const component = await RawStream.connect({ address: peer.address, port: peer.ports.component });
    await component.write(
      "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='partner.example'>",
    );
    const id = /\sid=['"]([^'"]+)['"]/.exec(await component.read(/<stream:stream[^>]*>/))?.[1];
    await component.write(`<handshake>${createHash('sha1').update(`${id}${secret}`).digest('hex')}</handshake>`);
    await component.read(/<handshake\s*\/>|<handshake><\/handshake>/);
    return component;
  }

  /** The SHA-256 fingerprint of the certificate a server presents to other servers. */
  async function presentedBy(peer: Peer): Promise<string | undefined> {
    const stream = await RawStream.connect({ address: peer.address, port: peer.ports.s2s });
    await stream.write(streamHeader({ from: 'stranger.example', to: peer.domain }));
    await stream.read(/<starttls[\s\S]*<\/stream:features>/);
    await stream.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    await stream.read(/<proceed[^>]*>/);
    await stream.startTls({ servername: peer.domain });
    const presented = stream.tls?.getPeerX509Certificate()?.fingerprint256;
    await stream.close();
    return presented;
  }
});

function fingerprint({ certificatePem }: KeyPair): string {
  return new X509Certificate(certificatePem).fingerprint256;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
