import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishSip } from '../dns.ts';
import type { Relay } from '../relay.ts';
import { audioSdp, type SipSession } from '../sip-call.ts';
import { homeDomain, type LocalUser, partnerDomain, SipFederation } from '../sip-federation.ts';
import type { SipUser } from '../sip-user.ts';

describe.runIf(requirePeers('kamailio'))('the connections of a trunk break amid a call', () => {
  let federation: SipFederation;
  let alice: LocalUser;
  let bob: SipUser;
  let desk: SipUser;
  /** Before the partner's proxy, and before us. */
  let relays: [Relay, Relay];

  beforeAll(async () => {
    federation = await SipFederation.start({ home: 'embedded', pbx: true });
    const { world, partner, gateway } = federation;
    relays = [
      await world.relayTo(partner.address, partner.ports.trunk),
      await world.relayTo(gateway.address, gateway.ports.sip),
    ];
    const [there, back] = relays;
    publishSip(world.dns, partnerDomain, [{ host: there.address, port: there.port }]);
    await partner.reroute({ [homeDomain]: [{ address: back.address, port: back.port, tls: true }] });
    await gateway.reload();
    [alice, bob, desk] = await Promise.all([federation.alice(), federation.bob(), federation.desk()]);
  });
  afterAll(() => federation?.close());

  function cut(): void {
    for (const relay of relays) relay.cut();
  }

  async function connect(from: SipUser, to: SipUser): Promise<{ near: SipSession; far: SipSession }> {
    const after = federation.gateway.log.mark();
    const call = from.call(to.uri, { offer: audioSdp() });
    const far = (await to.calls.next()).answer(audioSdp());
    const near = await call.answered();
    await far.acks.next();
    await federation.gateway.logged({ event: 'call-started' }, after);
    return { near, far };
  }

  it.each([
    ['the local caller', () => [desk, bob] as const, 'near'],
    ['the called partner', () => [desk, bob] as const, 'far'],
    ['the calling partner', () => [bob, desk] as const, 'near'],
    ['the called telephone', () => [bob, desk] as const, 'far'],
  ] as const)('%s changes the call and hangs up over another', async (_, parties, who) => {
    const [from, to] = parties();
    const { near, far } = await connect(from, to);
    const accepted = relays[0].accepted + relays[1].accepted;
    cut();
    const [ends, waits] = who === 'near' ? [near, far] : [far, near];
    expect((await ends.modify(audioSdp({ direction: 'sendonly', version: 2 }))).statusCode).toBe(200);
    expect((await waits.modifications.next()).message.body).toContain('a=sendonly');
    cut();
    expect((await ends.bye()).statusCode).toBe(200);
    await waits.ended;
    expect(relays[0].accepted + relays[1].accepted).toBeGreaterThan(accepted);
  });

  it('and the ACK with them: the answer is repeated over another, and so is the ACK', async () => {
    const after = federation.gateway.log.mark();
    const [, back] = relays;
    const call = bob.call(desk.uri, { offer: audioSdp() });
    const incoming = await desk.calls.next();
    back.detain();
    const far = incoming.answer(audioSdp());
    const near = await call.answered();
    await vi.waitFor(() => expect(back.kept).toBeGreaterThan(0), { timeout: 10_000 });
    cut();
    await federation.gateway.logged({ event: 'call-started' }, after, 5_000);
    expect((await far.bye()).statusCode).toBe(200);
    await near.ended;
  });

  /** No target is out of favour, and the one connection that carries what we say stands. */
  async function settle(): Promise<void> {
    await federation.gateway.reload();
    await alice.say(`bob@${partnerDomain}`, 'before');
    expect((await bob.messages.next()).text).toBe('before');
    expect((await bob.message(`sip:${alice.bareJid}`, 'before')).statusCode).toBe(200);
    await alice.messages.next();
  }

  it.each(['the message', 'its answer'])(
    'and take %s with them: it arrives once, or its sender is told',
    async (what) => {
      const [there] = relays;
      await settle();
      if (what === 'the message') there.detain();
      else there.pause('back');
      await alice.say(`bob@${partnerDomain}`, 'meanwhile', 'cut');
      if (what === 'the message') await vi.waitFor(() => expect(there.kept).toBeGreaterThan(0), { timeout: 10_000 });
      else expect((await bob.messages.next()).text).toBe('meanwhile');
      cut();
      there.resume();
      // One conversation stays in order: once this is here, it is decided what became of the other.
      await alice.say(`bob@${partnerDomain}`, 'after', 'after');
      await bob.messages.next(({ text }) => text === 'after');
      const arrived = bob.messages.unread.length;
      expect(arrived).toBeLessThanOrEqual(what === 'the message' ? 1 : 0);
      if (arrived === 0) expect((await alice.messages.next()).attrs).toMatchObject({ type: 'error', id: 'cut' });
      expect(alice.messages.unread).toEqual([]);
      bob.messages.clear();
    },
  );

  it('and take a message of the partner with them: it arrives once, or its sender is told', async () => {
    const [, back] = relays;
    await settle();
    back.detain();
    const sent = bob.message(`sip:${alice.bareJid}`, 'meanwhile');
    await vi.waitFor(() => expect(back.kept).toBeGreaterThan(0), { timeout: 10_000 });
    cut();
    const { statusCode = 0 } = await sent;
    expect((await bob.message(`sip:${alice.bareJid}`, 'after')).statusCode).toBe(200);
    const expected = statusCode < 300 ? ['meanwhile', 'after'] : ['after'];
    const received = await alice.messages.take(expected.length);
    expect(received.map((message) => message.getChildText('body'))).toEqual(expected);
    expect(alice.messages.unread).toEqual([]);
  });
});
