import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyPair } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { BothWays, everything } from '../both-ways.ts';
import { Federation, homeDomain, homeRooms, partnerDomain, partnerRooms } from '../federation.ts';
import { RawStream } from '../raw.ts';

/** What a new handshake with the direct TLS port of a server shows. */
async function presented(address: string, port: number, servername: string): Promise<string | undefined> {
  const stream = await RawStream.connect({ address, port, tls: { servername, ALPNProtocols: ['xmpp-server'] } });
  const fingerprint = stream.tls?.getPeerX509Certificate()?.fingerprint256;
  await stream.close();
  return fingerprint;
}

const fingerprint = ({ certificatePem }: KeyPair): string => new X509Certificate(certificatePem).fingerprint256;

describe.runIf(requirePeers('prosody', 'ejabberd'))('Certificates are replaced under traffic', () => {
  describe.each(['prosody', 'ejabberd'] as const)('with %s as the partner', (partner) => {
    let federation: Federation;
    let traffic: BothWays;

    beforeAll(async () => {
      federation = await Federation.start({ partner, home: 'prosody', proof: 'certificate', tls: 'starttls' });
      traffic = await BothWays.start(federation, { underWay: 40 });
    });
    afterAll(() => federation?.close());

    it("ours and the partner's: no stream drops, nothing is lost, new handshakes show the new ones", async () => {
      const { gateway, partner, world } = federation;
      const ours = await world.authority.issue({ domains: [homeDomain, homeRooms] });
      const theirs = await world.authority.issue({ domains: [partnerDomain, partnerRooms] });
      await gateway.rotateCertificate(ours);
      await traffic.arrive();
      await partner.rotateCertificate(theirs);
      await traffic.arrive();
      expect(await presented(gateway.address, gateway.ports.directTls, homeDomain)).toBe(fingerprint(ours));
      expect(await presented(partner.address, partner.ports.s2sDirectTls, partnerDomain)).toBe(fingerprint(theirs));
      expect(gateway.lines({ event: 'stream-closed' })).toEqual([]);
      expect(gateway.lines({ event: 'stream-proven', partner: partnerDomain })).toHaveLength(2);
      expect(await traffic.finish()).toMatchObject({ outbound: everything, inbound: everything });
    });
  });
});
