import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { SmClient } from '../client-sm.ts';
import { Crowds } from '../crowds.ts';
import { publishSip } from '../dns.ts';
import { killing } from '../killing.ts';
import { drawSeed, seededRandom, shuffled } from '../seed.ts';
import { SipParties } from '../sip-party.ts';
import { SipPeers } from '../sip-peers.ts';
import { World } from '../world.ts';

const users = { ann: 'pass', bea: 'pass', cem: 'pass', dan: 'pass' };
const names = Object.keys(users);
const policy = `partner: p.example
speaks: sip
trust: { accept: [certificate] }
messages: { allow: both }
`;
/** Everything arrives once and in order, or its sender is told. */
const nothing = { lost: 0, doubled: 0, disordered: 0 };

describe.runIf(requirePeers())('A gateway with a SIP partner is killed under load', () => {
  let world: World;
  let partner: SipParties;
  let clients: SmClient[];
  beforeEach(async () => {
    world = await World.start();
  });
  afterEach(async () => {
    await partner?.close();
    await world?.close();
  });

  it('twenty times, in the flow and while the partner takes or answers nothing, and cut off from it', {
    timeout: 180_000,
  }, async () => {
    const random = seededRandom(drawSeed('kill-sip'));
    const sip = new SipPeers(world);
    const certificate = await sip.sipCertificate('p.example');
    const server = await sip.wireServer(certificate);
    const toPartner = await world.relayTo(server.address, server.port);
    publishSip(world.dns, 'p.example', [{ host: toPartner.address, port: toPartner.port }]);
    const gateway = await world.gateway({
      home: { users },
      homeDomains: ['h.example'],
      sip: {},
      policies: { 'p.example.yaml': policy },
    });
    partner = new SipParties(gateway, server, certificate);
    clients = await Promise.all(names.map((name) => world.smClient(gateway, name)));
    const remotes = names.map((name) => partner.party(`${name}@p.example`));
    const crowds = await Crowds.start(clients, remotes);
    const { inFlow, inStandstill } = killing(gateway, crowds);
    /** The trunk breaks under MESSAGEs that the partner has and has not answered; the gateway runs on. */
    const cutOff = async (): Promise<void> => {
      partner.fallSilent();
      await crowds.outbound.filled();
      crowds.interrupt();
      partner.cut();
    };
    const faults = [
      ...Array(12).fill(inFlow),
      ...Array(4).fill(() => inStandstill(crowds.outbound, { relay: toPartner, directions: ['there'] })),
      ...Array(4).fill(() => inStandstill(crowds.outbound, { relay: toPartner, directions: ['back'] })),
    ];
    await crowds.endure([...shuffled(random, faults), ...Array(4).fill(cutOff)], random);
    expect(await crowds.finish()).toMatchObject({ outbound: nothing, inbound: nothing });
    expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
    expect(gateway.lines({ event: 'defect' })).toEqual([]);
  });
});
