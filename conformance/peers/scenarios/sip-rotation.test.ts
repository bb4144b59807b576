import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KeyPair } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { publishSip } from '../dns.ts';
import type { Relay } from '../relay.ts';
import { AnsweringServer } from '../sip-answering.ts';
import { audioSdp } from '../sip-call.ts';
import { homeDomain, type LocalUser, partnerDomain, SipFederation } from '../sip-federation.ts';
import type { SipUser } from '../sip-user.ts';
import type { SipWire } from '../sip-wire.ts';

const raw = 'raw.example';
const others = {
  [raw]: `partner: ${raw}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both }\n`,
};

const fingerprint = ({ certificatePem }: KeyPair): string => new X509Certificate(certificatePem).fingerprint256;

describe.runIf(requirePeers('kamailio'))('Certificates of a trunk are replaced under a call and under messages', () => {
  let federation: SipFederation;
  let alice: LocalUser;
  let bob: SipUser;
  let desk: SipUser;
  /** Before the partner's proxy, and before us: they count the connections. */
  let relays: [Relay, Relay];
  /** Connections of ours to a partner that looks at the certificate. */
  const witnessed: SipWire[] = [];

  beforeAll(async () => {
    federation = await SipFederation.start({
      home: 'embedded',
      pbx: true,
      others,
      before: async (sip, { dns }) => {
        const { server } = new AnsweringServer(await sip.wireServer(await sip.sipCertificate(raw)));
        server.each((wire) => witnessed.push(wire));
        publishSip(dns, raw, [{ host: server.address, port: server.port }]);
      },
    });
    const { world, partner, gateway } = federation;
    relays = [
      await world.relayTo(partner.address, partner.ports.trunk),
      await world.relayTo(gateway.address, gateway.ports.sip),
    ];
    const [there, back] = relays;
    publishSip(world.dns, partnerDomain, [{ host: there.address, port: there.port }]);
    await partner.reroute({ [homeDomain]: [{ address: back.address, port: back.port, tls: true }] });
    await gateway.reload();
    // Over TCP: a Kamailio that reloads its certificates may lose what is in its TLS connections with telephones.
    const phone = federation.sip.user(partner, 'bob', { access: 'tcp' });
    [alice, bob, desk] = await Promise.all([federation.alice(), phone, federation.desk()]);
  });
  afterAll(() => federation?.close());

  /** Messages each way, one after the other, until it is told to stop; resolves with how many went each way. */
  function chatter(): { readonly flowing: () => Promise<void>; readonly stop: () => Promise<number> } {
    let stopped = false;
    let sent = 0;
    let turn = Promise.withResolvers<void>();
    const talk = async (): Promise<number> => {
      for (; !stopped; sent += 1) {
        await alice.say(`bob@${partnerDomain}`, `out ${sent}`);
        expect((await bob.messages.next()).text).toBe(`out ${sent}`);
        expect((await bob.message(`sip:${alice.bareJid}`, `in ${sent}`)).statusCode).toBe(200);
        expect((await alice.messages.next()).getChildText('body')).toBe(`in ${sent}`);
        turn.resolve();
        turn = Promise.withResolvers();
      }
      return sent;
    };
    const talking = talk();
    const flowing = async (): Promise<void> => {
      for (let turns = 0; turns < 5; turns += 1) await Promise.race([turn.promise, talking]);
    };
    const stop = (): Promise<number> => {
      stopped = true;
      return talking;
    };
    return { flowing, stop };
  }

  /** What a new handshake shows on the trunk port of a server. */
  async function presented(address: string, port: number, servername: string): Promise<string | undefined> {
    const { certificatePem: cert, keyPem: key } = await federation.sip.sipCertificate(raw);
    const wire = await federation.sip.wire({ address, port, tls: { servername, cert, key } });
    const shown = wire.tls?.getPeerX509Certificate()?.fingerprint256;
    await wire.close();
    return shown;
  }

  /** What a new connection of ours shows. */
  async function shown(): Promise<string | undefined> {
    const known = witnessed.length;
    await Promise.all(witnessed.map((wire) => wire.close()));
    await federation.gateway.reload();
    // We ask anew whether it lives.
    const wire = await vi.waitFor(() => witnessed[known] ?? Promise.reject(new Error('none yet')), { timeout: 20_000 });
    return wire.tls?.getPeerX509Certificate()?.fingerprint256;
  }

  it('nothing drops, and new handshakes show the new ones', async () => {
    const { gateway, partner, sip } = federation;
    const call = bob.call(desk.uri, { offer: audioSdp() });
    const far = (await desk.calls.next()).answer(audioSdp());
    const near = await call.answered();
    await far.acks.next();
    const before = await shown();
    const after = gateway.log.mark();
    const traffic = chatter();
    await traffic.flowing();
    const connections = relays.map(({ accepted }) => accepted);

    const ours = await sip.sipCertificate(homeDomain);
    await gateway.rotateCertificate(ours);
    await traffic.flowing();
    const theirs = await sip.sipCertificate(partnerDomain);
    await partner.rotateCertificate(theirs);
    await traffic.flowing();

    expect((await near.modify(audioSdp({ direction: 'sendonly', version: 2 }))).statusCode).toBe(200);
    expect((await far.modifications.next()).message.body).toContain('a=sendonly');
    expect((await far.modify(audioSdp({ version: 3 }))).statusCode).toBe(200);
    expect(await presented(gateway.address, gateway.ports.sip, homeDomain)).toBe(fingerprint(ours));
    expect(await presented(partner.address, partner.ports.trunk, partnerDomain)).toBe(fingerprint(theirs));
    expect(await shown()).toBe(fingerprint(ours));
    expect(before).not.toBe(fingerprint(ours));
    expect(relays.map(({ accepted }) => accepted)).toEqual(connections);
    expect(gateway.lines({ event: 'trunk-down' }, after)).toEqual([]);
    expect(gateway.lines({ event: 'call-ended' }, after)).toEqual([]);
    expect(await traffic.stop()).toBeGreaterThanOrEqual(15);

    // With the new certificates on both sides the trunk is as good, and the call goes on.
    for (const relay of relays) relay.cut();
    expect((await far.modify(audioSdp({ direction: 'recvonly', version: 4 }))).statusCode).toBe(200);
    expect((await bob.message(`sip:${alice.bareJid}`, 'anew')).statusCode).toBe(200);
    expect((await alice.messages.next()).getChildText('body')).toBe('anew');
    expect((await near.bye()).statusCode).toBe(200);
    await far.ended;
    for (const [at, { accepted }] of relays.entries()) expect(accepted).toBeGreaterThan(connections[at] ?? 0);
    expect(alice.messages.unread).toEqual([]);
  });

  it('a certificate that names somebody else is refused, until it is mended', async () => {
    const { gateway, partner, sip } = federation;
    await partner.rotateCertificate(await sip.sipCertificate('stranger.example'));
    for (const relay of relays) relay.cut();
    await alice.say(`bob@${partnerDomain}`, 'who are you?', 'stranger-1');
    const error = await alice.messages.next();
    expect(error.attrs).toMatchObject({ type: 'error', id: 'stranger-1' });
    expect(bob.messages.unread).toEqual([]);
    await partner.rotateCertificate(await sip.sipCertificate(partnerDomain));
    await gateway.reload();
    await alice.say(`bob@${partnerDomain}`, 'there you are');
    expect((await bob.messages.next()).text).toBe('there you are');
  });
});
