import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { SmClient } from '../client-sm.ts';
import { Correspondent, type Party } from '../correspondent.ts';
import { Crowds } from '../crowds.ts';
import type { GatewayProcess } from '../gateway.ts';
import { killing } from '../killing.ts';
import { drawSeed, seededRandom, shuffled } from '../seed.ts';
import { World } from '../world.ts';

const users = { ann: 'pass', bea: 'pass', cem: 'pass', dan: 'pass' };
const names = Object.keys(users);
/** Everything arrives once and in order, or comes back. */
const nothing = { lost: 0, doubled: 0, disordered: 0 };

describe.runIf(requirePeers('prosody'))('A gateway with an embedded home is killed under load', () => {
  let world: World;
  let clients: SmClient[];
  beforeEach(async () => {
    world = await World.start();
    clients = [];
  });
  afterEach(() => world?.close());

  const gatewayOf = (domain: string, partner: string): Promise<GatewayProcess> =>
    world.gateway({
      home: { users },
      homeDomains: [domain],
      policies: { [`${partner}.yaml`]: policyFor(partner) },
    });

  const signIn = async (gateway: GatewayProcess): Promise<SmClient[]> => {
    const signedIn = await Promise.all(names.map((name) => world.smClient(gateway, name)));
    clients.push(...signedIn);
    return signedIn;
  };

  /** Nobody was told anything wrong, and every client could resume the session it had. */
  const expectResumed = (): void => {
    expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
    expect(clients.map(({ sessions }) => sessions)).toEqual(clients.map(() => 1));
  };

  it('twenty times, with Prosody as the partner', { timeout: 180_000 }, async () => {
    const random = seededRandom(drawSeed('kill-embedded'));
    const [gateway, partner] = await Promise.all([
      gatewayOf('h.example', 'p.example'),
      world.prosody({ domain: 'p.example', users, modules: ['smacks'] }),
    ]);
    const toPartner = await world.relay('p.example', partner);
    const remotes: Correspondent[] = names.map(
      (name) => new Correspondent(`${name}@p.example`, () => world.client(partner, name)),
    );
    const locals: Party[] = await signIn(gateway);
    await Promise.all(remotes.map((user) => user.online()));
    const crowds = await Crowds.start(locals, remotes);
    const { inFlow, inStandstill } = killing(gateway, crowds);
    const faults = [
      ...Array(12).fill(inFlow),
      ...Array(8).fill(() => inStandstill(crowds.outbound, { relay: toPartner, directions: ['there'] })),
    ];
    await crowds.endure(shuffled(random, faults), random);
    expect(await crowds.finish()).toMatchObject({ outbound: nothing, inbound: nothing });
    expectResumed();
  });

  it('twenty times, with another one as the partner, either of the two', { timeout: 180_000 }, async () => {
    const random = seededRandom(drawSeed('kill-embedded pair'));
    const [one, other] = await Promise.all([gatewayOf('h.example', 'p.example'), gatewayOf('p.example', 'h.example')]);
    const [toOne, toOther] = [await world.relay('h.example', one), await world.relay('p.example', other)];
    const crowds = await Crowds.start(await signIn(one), await signIn(other));
    // One stream carries both directions (XEP-0288), whoever opened it.
    const silence = [toOne, toOther].map((relay) => ({ relay, directions: ['there', 'back'] as const }));
    const [killOne, killOther] = [killing(one, crowds), killing(other, crowds)];
    const faults = [
      ...Array(6).fill(killOne.inFlow),
      ...Array(6).fill(killOther.inFlow),
      ...Array(4).fill(() => killOne.inStandstill(crowds.outbound, ...silence)),
      ...Array(4).fill(() => killOther.inStandstill(crowds.inbound, ...silence)),
    ];
    await crowds.endure(shuffled(random, faults), random);
    expect(await crowds.finish()).toMatchObject({ outbound: nothing, inbound: nothing });
    expectResumed();
  });
});

function policyFor(partner: string): string {
  return `partner: ${partner}
trust: { accept: [certificate] }
presence: [{ local: "*", show: full }]
messages: { allow: both }
`;
}
