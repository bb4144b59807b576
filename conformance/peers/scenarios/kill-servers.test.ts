import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { Correspondent } from '../correspondent.ts';
import { Crowd } from '../crowd.ts';
import { Crowds } from '../crowds.ts';
import { Federation, homeDomain, localUsers, partnerDomain, remoteUsers } from '../federation.ts';
import type { Peer } from '../peer.ts';
import { between, drawSeed, seededRandom } from '../seed.ts';

const kills = 4;
const nothing = { lost: 0, doubled: 0, disordered: 0 };
/** Messages under way of all senders of one direction: what a server that dies can hold of its own users. */
const held = 2 * (16 + 3);

/**
 * Receivers are offline while their server dies: what it has for them it then writes to its files before it says that it
 * has taken it. What it had handed to clients it would lose with itself.
 */
describe.runIf(requirePeers('prosody'))('A server is killed under load', () => {
  let federation: Federation;
  let receivers: { local: Correspondent[]; remote: Correspondent[] };
  let senders: { local: Correspondent[]; remote: Correspondent[] };
  let crowds: Crowds;

  beforeEach(async () => {
    federation = await Federation.start({
      partner: 'prosody',
      home: 'prosody',
      proof: 'certificate',
      tls: 'starttls',
      partnerModules: ['smacks'],
    });
    const local = localUsers.map((name) => new Correspondent(`${name}@${homeDomain}`, () => federation.alice(name)));
    const remote = remoteUsers.map((name) => new Correspondent(`${name}@${partnerDomain}`, () => federation.bob(name)));
    senders = { local: local.slice(0, 2), remote: remote.slice(0, 2) };
    receivers = { local: local.slice(2), remote: remote.slice(2) };
    await online(local, remote);
    crowds = new Crowds(
      new Crowd('outbound', senders.local, receivers.remote),
      new Crowd('inbound', senders.remote, receivers.local),
    );
    crowds.start();
    await crowds.resumed();
  });
  afterEach(() => federation?.close());

  const kill = async (server: Peer, side: 'local' | 'remote', steadily: Crowd): Promise<void> => {
    const random = seededRandom(drawSeed(`kill-servers ${side}`));
    for (let count = 0; count < kills; count += 1) {
      await crowds.moment(random);
      await Promise.all(receivers[side].map((user) => user.offline()));
      await steadily.arrive(between(random, 1, 30));
      const killed = server.kill();
      crowds.interrupt();
      await killed;
      await server.start();
      await online(receivers[side], senders[side]);
      await crowds.resumed();
    }
  };

  it("the partner's: what it has not taken waits for it or comes back", { timeout: 120_000 }, async () => {
    await kill(federation.partner, 'remote', crowds.inbound);
    const { outbound, inbound } = await crowds.finish();
    expect(outbound).toMatchObject(nothing);
    // What it took from its own users and had not passed on died with it.
    expect(inbound).toMatchObject({ doubled: 0, disordered: 0 });
    expect(inbound.lost).toBeLessThanOrEqual(kills * held);
  });

  it("the local users': what it has not taken waits for it or comes back", { timeout: 120_000 }, async () => {
    await kill(federation.home, 'local', crowds.outbound);
    const { outbound, inbound } = await crowds.finish();
    expect(inbound).toMatchObject(nothing);
    // Likewise.
    expect(outbound).toMatchObject({ doubled: 0, disordered: 0 });
    expect(outbound.lost).toBeLessThanOrEqual(kills * held);
  });
});

async function online(...users: readonly Correspondent[][]): Promise<void> {
  await Promise.all(users.flat().map((user) => user.online()));
}
