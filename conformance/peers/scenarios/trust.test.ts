import { xml } from '@xmpp/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type KeyPair, selfSigned, TestAuthority } from '../authority.ts';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import { Federation, homeDomain, partnerDomain, partnerRooms } from '../federation.ts';
import type { LogLine } from '../gateway.ts';

const domains = [partnerDomain, partnerRooms];
const day = 86_400_000;
const daysFromNow = (days: number): Date => new Date(Date.now() + days * day);
/** Of `trust` in the open policy. */
const trustLine = 3;

interface Case {
  readonly what: string;
  readonly certificate: (authority: TestAuthority) => Promise<KeyPair>;
}

const refused: readonly (Case & { readonly reason: string })[] = [
  {
    what: 'has expired',
    reason: 'certificate-expired',
    certificate: (authority) => authority.issue({ domains, notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) }),
  },
  {
    what: 'is not valid yet',
    reason: 'certificate-not-yet-valid',
    certificate: (authority) => authority.issue({ domains, notBefore: daysFromNow(1) }),
  },
  { what: 'is self-signed', reason: 'certificate-self-signed', certificate: () => selfSigned(...domains) },
  {
    what: 'is signed by an unknown authority',
    reason: 'certificate-untrusted',
    certificate: async () => (await TestAuthority.create('Unknown authority')).issue({ domains }),
  },
  {
    what: 'names somebody else',
    reason: 'certificate-wrong-name',
    certificate: (authority) => authority.issue({ domains: ['q.example', 'p.example.q.example', '*.p.example'] }),
  },
  {
    what: 'names the partner in its subject only',
    reason: 'certificate-wrong-name',
    certificate: (authority) => authority.issue({ domains: ['q.example'], commonName: partnerDomain }),
  },
];

const accepted: readonly Case[] = [
  { what: 'for servers only', certificate: (authority) => authority.issue({ domains, purposes: ['serverAuth'] }) },
  { what: 'for clients only', certificate: (authority) => authority.issue({ domains, purposes: ['clientAuth'] }) },
  {
    what: 'with xmppAddr and SRVName and no dNSName',
    certificate: (authority) =>
      authority.issue({
        domains: [],
        xmppAddresses: [partnerDomain],
        srvNames: [`_xmpp-server.${partnerRooms}`],
        commonName: 'Partner',
      }),
  },
  {
    what: 'with a wildcard for the domain of its rooms',
    certificate: (authority) => authority.issue({ domains: [partnerDomain, `*.${partnerDomain}`] }),
  },
  {
    what: 'with an intermediate authority above it',
    certificate: async (authority) => (await authority.intermediate('Intermediate authority')).issue({ domains }),
  },
];

describe.runIf(requirePeers('prosody'))('Who is proven by certificate', () => {
  let federation: Federation;
  let alice: TestClient;
  let bob: TestClient;

  beforeAll(async () => {
    federation = await Federation.start({ partner: 'prosody', home: 'prosody', proof: 'certificate', tls: 'starttls' });
  });
  afterAll(() => federation?.close());
  beforeEach(async () => {
    [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
  });
  afterEach(() => Promise.all([alice?.close(), bob?.close()]));

  describe.each(refused)('a partner whose certificate $what', ({ certificate, reason }) => {
    beforeAll(async () => {
      await federation.partner.rotateCertificate(await certificate(federation.world.authority));
    });

    it('is sent away when it comes, and its user is told', async () => {
      const { gateway, partner } = federation;
      const [before, seen] = [gateway.log.mark(), partner.log.mark()];
      await bob.say(alice.bareJid, 'from a stranger');
      const line = await gateway.logged(
        { event: 'stream-refused', direction: 'inbound', partner: partnerDomain },
        before,
      );
      expect(line).toMatchObject({ reason, condition: 'not-authorized', home: homeDomain });
      expectTrustRule(line);
      await partner.log.waitFor(/Session closed by remote with error: not-authorized/, { after: seen });
      const answer = await bob.messages.next();
      expect(answer.attrs).toMatchObject({ type: 'error', from: alice.bareJid });
      expect(alice.messages.total).toBe(0);
    });

    it('is not spoken to, and the local user is told', async () => {
      const { gateway, partner } = federation;
      await gateway.reload(); // ends the back-off from the certificate before this one
      const [before, seen] = [gateway.log.mark(), partner.log.mark()];
      await alice.say(bob.bareJid, 'to a stranger', 'id-1');
      const answer = await alice.messages.next();
      expect(answer.attrs).toMatchObject({ type: 'error', from: bob.bareJid, id: 'id-1' });
      expect(answer.getChild('error')?.attrs.type).toBe('auth');
      expect(answer.getChild('error')?.getChild('not-authorized')).toBeDefined();
      const line = await gateway.logged({ event: 'partner-unreachable', partner: partnerDomain }, before);
      expect(line).toMatchObject({ reason, home: homeDomain });
      expectTrustRule(line);
      const lost = { event: 'stanza-undeliverable', reason, partner: partnerDomain };
      expect(await gateway.loggedTimes(1, lost, before)).toHaveLength(1);
      await partner.log.waitFor(/Incoming s2s stream h\.example->p\.example closed/, { after: seen });
      expect(partner.log.matching(/Incoming s2s connection .* complete/, seen)).toEqual([]);
      expect(bob.messages.total).toBe(0);
    });
  });

  it.each(accepted)('a certificate $what proves its partner, both ways', async ({ certificate }) => {
    const { gateway, partner, world } = federation;
    await bob.close();
    await partner.rotateCertificate(await certificate(world.authority));
    await partner.restart(); // what stood by the certificate before is gone
    await gateway.reload();
    const before = gateway.log.mark();
    bob = await federation.bob();
    await bob.say(alice.bareJid, 'in');
    expect((await alice.messages.next()).getChildText('body')).toBe('in');
    await alice.say(bob.bareJid, 'out');
    expect((await bob.messages.next()).getChildText('body')).toBe('out');
    const room = `talk@${partnerRooms}/alice`;
    await alice.send(xml('presence', { to: room }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })));
    await alice.presences.next(({ attrs }) => attrs.from === room && attrs.type === undefined);
    for (const direction of ['inbound', 'outbound']) {
      for (const domain of domains) {
        const line = await gateway.logged({ event: 'stream-proven', direction, partner: domain }, before);
        expect(line.evidence).toMatchObject([{ proof: 'certificate', holds: true }]);
      }
    }
    expect(partner.log.matching(/Accepting SASL EXTERNAL identity from h\.example/)).not.toEqual([]);
    expect(gateway.lines({ event: 'stream-refused' }, before)).toEqual([]);
  });
});

function expectTrustRule({ rule }: LogLine): void {
  expect(rule?.file).toMatch(/p\.example\.yaml$/);
  expect(rule?.line).toBe(trustLine);
}
