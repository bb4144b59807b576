import { afterEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { Crowds } from '../crowds.ts';
import { Federation, localUsers } from '../federation.ts';
import { killing } from '../killing.ts';
import { drawSeed, seededRandom, shuffled } from '../seed.ts';

/**
 * XEP-0114 has no acknowledgement: what the home server writes into the socket of a gateway that is being killed is gone
 * without anyone knowing, and the kernel closes the socket only when it has taken the process apart, some ten
 * milliseconds later. By then each sender has written once (four messages) and tried again twice at most.
 */
const unseen = localUsers.length * (4 + 2);

describe.runIf(requirePeers('prosody'))('The gateway is killed under load, with Prosody at both ends', () => {
  let federation: Federation;
  afterEach(() => federation?.close());

  it('twenty times: everything arrives once and in order, or comes back', { timeout: 180_000 }, async () => {
    const random = seededRandom(drawSeed('kill-gateway'));
    federation = await Federation.start({
      partner: 'prosody',
      home: 'prosody',
      proof: 'certificate',
      tls: 'starttls',
      partnerModules: ['smacks'],
      relayed: true,
    });
    const crowds = await Crowds.of(federation);
    const { toPartner, toHome } = federation.network;
    const { inFlow, inStandstill } = killing(federation.gateway, crowds);
    const faults = [
      ...Array(10).fill(inFlow),
      ...Array(5).fill(() => inStandstill(crowds.outbound, { relay: toPartner, directions: ['there'] })),
      ...Array(5).fill(() => inStandstill(crowds.inbound, { relay: toHome, directions: ['there'] })),
    ];
    await crowds.endure(shuffled(random, faults), random);

    const { outbound, inbound } = await crowds.finish();
    expect(inbound).toMatchObject({ lost: 0, doubled: 0, disordered: 0 });
    expect(outbound).toMatchObject({ doubled: 0, disordered: 0 });
    expect(outbound.lost).toBeLessThanOrEqual(faults.length * unseen);
  });
});
