import { domainToASCII } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishXmpp } from '../dns.ts';
import type { GatewayProcess } from '../gateway.ts';
import type { Prosody } from '../prosody.ts';
import { World } from '../world.ts';

const partnerDomain = 'bücher.example';
const homeDomain = 'münchen.example';
const [partnerAscii, homeAscii] = [partnerDomain, homeDomain].map((domain) => domainToASCII(domain)) as [
  string,
  string,
];
const secret = 'component-secret';

/** RFC 7622 §3.2: addresses carry U-labels; DNS, certificates and SNI carry A-labels (RFC 5890). */
describe.runIf(requirePeers('prosody'))('Domains beyond ASCII', () => {
  describe.each(['certificate', 'dialback'] as const)('proven by %s', (proof) => {
    let world: World;
    let partner: Prosody;
    let home: Prosody;
    let gateway: GatewayProcess;

    beforeAll(async () => {
      world = await World.start();
      const dialback = proof === 'dialback';
      const certificate = await world.authority.issue({ domains: [partnerAscii] });
      [partner, home] = await Promise.all([
        world.prosody({ domain: partnerDomain, users: { bob: 'pass-b' }, dialback, certificate, publish: false }),
        world.prosody({
          domain: homeDomain,
          users: { alice: 'pass-a' },
          publish: false,
          certificate: await world.authority.issue({ domains: [homeAscii] }),
          components: [{ domain: partnerDomain, secret }],
        }),
      ]);
      publishXmpp(world.dns, partnerAscii, [{ host: partner.address, port: partner.ports.s2s }]);
      const policy = `partner: ${partnerDomain}\ntrust: { accept: [${proof}] }\nmessages: { allow: both }\n`;
      gateway = await world.gateway({
        home,
        homeDomains: [homeDomain],
        secret,
        policies: { 'partner.yaml': policy },
        certificate: await world.authority.issue({ domains: [homeAscii] }),
      });
      publishXmpp(world.dns, homeAscii, [{ host: gateway.address, port: gateway.ports.s2s }]);
      await gateway.linked(partnerAscii);
    });
    afterAll(() => world?.close());

    it('carries a message each way, addresses as their users write them', async () => {
      const [alice, bob] = await Promise.all([world.client(home, 'alice'), world.client(partner, 'bob')]);
      await alice.say(`bob@${partnerDomain}`, 'Grüße aus München');
      const toBob = await bob.messages.next();
      expect(toBob.attrs.from).toBe(alice.jid);
      expect(toBob.getChildText('body')).toBe('Grüße aus München');
      await bob.say(`alice@${homeDomain}`, 'und zurück');
      const toAlice = await alice.messages.next();
      expect(toAlice.attrs.from).toBe(bob.jid);
      expect(toAlice.getChildText('body')).toBe('und zurück');
    });
  });
});
