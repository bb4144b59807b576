import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishSip, type SipTarget } from '../dns.ts';
import type { Kamailio } from '../kamailio.ts';
import { AnsweringServer, say, withinCall } from '../sip-answering.ts';
import { audioSdp } from '../sip-call.ts';
import { homeDomain, type LocalUser, SipFederation } from '../sip-federation.ts';
import type { SipPeers } from '../sip-peers.ts';
import { headerValues, statusOf } from '../sip-reader.ts';
import type { SipUser } from '../sip-user.ts';
import type { SipWireServer } from '../sip-wire.ts';
import type { World } from '../world.ts';

const many = 'many.example';
const pair = 'pair.example';
const late = 'late.example';

const policyOf = (domain: string) =>
  `partner: ${domain}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both }\ncalls: { allow: both }\n`;
const others = Object.fromEntries([many, pair, late].map((domain) => [domain, policyOf(domain)]));

/** The proxies of a cluster record the name of the cluster, so that any of them may take what comes within a call. */
const clustered = `  if (is_method("INVITE") && !has_totag()) record_route_preset("${pair};transport=tls");`;

// RFC 3263 §4.3: what cannot be sent to one server of a partner goes to the next, whatever it is.
describe.runIf(requirePeers('kamailio'))('servers of a partner fail', () => {
  let federation: SipFederation;
  let alice: LocalUser;
  let desk: SipUser;
  /** Targets of `many.example`, worst first; the last is good. */
  let targets: SipTarget[];
  let deaf: SipWireServer;
  let plain: SipWireServer;
  let stranger: SipWireServer;
  let busy: AnsweringServer;
  let good: AnsweringServer;
  /** Of `pair.example`, and the telephone behind both. */
  let proxies: [Kamailio, Kamailio];
  let phone: AnsweringServer;

  async function publishMany(sip: SipPeers, { dns, loopback }: World): Promise<void> {
    const certificate = await sip.sipCertificate(many);
    [deaf, plain, stranger] = await Promise.all([
      sip.wireServer(),
      sip.wireServer(),
      sip.wireServer(await sip.sipCertificate('stranger.example')),
    ]);
    plain.each((wire) => wire.socket.destroy());
    busy = new AnsweringServer(await sip.wireServer(certificate), { '*': 503 }, [['Retry-After', '20']]);
    good = new AnsweringServer(await sip.wireServer(certificate));
    const gone = loopback.address();
    const servers = [
      { address: gone, port: await loopback.port(gone) },
      plain,
      stranger,
      deaf,
      busy.server,
      good.server,
    ];
    targets = servers.map(({ address, port }, priority) => ({ host: address, port, priority }));
    publishSip(dns, many, targets);
  }

  async function publishPair(sip: SipPeers, { dns }: World): Promise<void> {
    const wanted = { domain: pair, publish: false, script: clustered, routes: { [homeDomain]: [] } };
    proxies = [await sip.kamailio(wanted), await sip.kamailio(wanted)];
    phone = new AnsweringServer(await sip.wireServer());
    const { address, port } = phone.server;
    for (const proxy of proxies) await proxy.bind('bob', `sip:bob@${address}:${port};transport=tcp`);
    const hosts = proxies.map(({ address, ports }, priority) => ({ host: address, port: ports.trunk, priority }));
    publishSip(dns, pair, hosts);
  }

  beforeAll(async () => {
    federation = await SipFederation.start({
      home: 'embedded',
      pbx: true,
      others,
      edge: 'connectTimeout: 1s',
      before: async (sip, world) => {
        await publishMany(sip, world);
        await publishPair(sip, world);
      },
    });
    const { address, ports } = federation.gateway;
    for (const proxy of proxies) await proxy.reroute({ [homeDomain]: [{ address, port: ports.sip, tls: true }] });
    [alice, desk] = await Promise.all([federation.alice(), federation.desk()]);
    await federation.gateway.logged({ event: 'trunk-up', partner: many });
  });
  afterAll(() => federation?.close());

  describe.each([true, false])('all but the last of them (NAPTR: %s)', (naptr) => {
    /** Nothing is known of the servers any more: whoever asks first tries one after the other. */
    async function anew(): Promise<() => void> {
      publishSip(federation.world.dns, many, targets, { naptr });
      const before = [deaf, plain, stranger].map(({ accepted }) => accepted);
      const refused = busy.requestsInAll;
      await federation.gateway.reload();
      return () => {
        const after = [deaf, plain, stranger].map(({ accepted }) => accepted);
        for (const [at, count] of after.entries()) expect(count, `target ${at}`).toBeGreaterThan(before[at] ?? 0);
        expect(busy.requestsInAll).toBeGreaterThan(refused);
      };
    }

    it('a MESSAGE reaches the last, once', async () => {
      const expectAllTried = await anew();
      await alice.say(`mia@${many}`, 'is anybody there?');
      const arrival = await good.next('MESSAGE');
      expect(arrival.message.body.toString()).toBe('is anybody there?');
      await say(arrival, 200);
      expectAllTried();
      await alice.say(`mia@${many}`, 'again');
      const again = await good.next('MESSAGE');
      expect(again.message.body.toString()).toBe('again');
      await say(again, 200);
      expect(alice.messages.unread).toEqual([]);
    });

    it('a call reaches the last, and what is within it goes there', async () => {
      const expectAllTried = await anew();
      const call = desk.call(`sip:mia@${many}`, { offer: audioSdp() });
      const taken = await good.takeCall(`sip:mia@${many}`);
      const session = await call.answered();
      expectAllTried();
      const modified = session.modify(audioSdp({ direction: 'sendonly', version: 2 }));
      const change = await good.next('INVITE');
      await say(change, 200, { headers: [['Contact', `<sip:mia@${many}>`]], sdp: audioSdp() });
      expect((await modified).statusCode).toBe(200);
      await good.next('ACK');
      const answer = await taken.arrival.wire.exchange(withinCall(taken, 'BYE'));
      expect(statusOf(answer)).toBe(200);
      await session.ended;
    });

    it('OPTIONS reach the last', async () => {
      const asked = good.counts.get('OPTIONS') ?? 0;
      const expectAllTried = await anew();
      await vi.waitFor(() => expect(good.counts.get('OPTIONS') ?? 0).toBeGreaterThan(asked), { timeout: 20_000 });
      expectAllTried();
      expect(federation.gateway.lines({ event: 'trunk-down', partner: many })).toEqual([]);
    });
  });

  it('one of two proxies, amid a call: the other carries what is still to come', async () => {
    const [first, second] = proxies;
    const call = desk.call(`sip:bob@${pair}`, { offer: audioSdp() });
    const taken = await phone.takeCall(`sip:bob@${phone.server.address}:${phone.server.port};transport=tcp`);
    const session = await call.answered();
    expect(headerValues(taken.arrival.message, 'record-route').join()).toContain(pair);
    await first.kill();

    const modified = session.modify(audioSdp({ direction: 'sendonly', version: 2 }));
    const contact = `<sip:bob@${phone.server.address}:${phone.server.port};transport=tcp>`;
    await say(await phone.next('INVITE'), 200, { headers: [['Contact', contact]], sdp: audioSdp() });
    expect((await modified).statusCode).toBe(200);
    await phone.next('ACK');

    await alice.say(`bob@${pair}`, 'still here?');
    const message = await phone.next('MESSAGE');
    expect(message.message.body.toString()).toBe('still here?');
    await say(message, 200);

    const ended = session.bye();
    await say(await phone.next('BYE'), 200);
    expect((await ended).statusCode).toBe(200);
    expect(alice.messages.unread).toEqual([]);
    expect(second.pid).toBeDefined();
  });

  it('one of two proxies, and the telephone hangs up over the other', async () => {
    const [first, second] = proxies;
    await first.start();
    const { address, port } = phone.server;
    await first.bind('bob', `sip:bob@${address}:${port};transport=tcp`);
    await federation.gateway.reload();
    const call = desk.call(`sip:bob@${pair}`, { offer: audioSdp() });
    const taken = await phone.takeCall(`sip:bob@${address}:${port};transport=tcp`);
    const session = await call.answered();
    await first.kill();
    const wire = await federation.sip.wire({ address: second.address, port: second.ports.tcp });
    const route = headerValues(taken.arrival.message, 'record-route').map((value) => ['Route', value] as const);
    const bye = await wire.exchange({ ...withinCall(taken, 'BYE'), headers: route });
    expect(statusOf(bye)).toBe(200);
    await session.ended;
    await wire.close();
  });

  it('no more: one that is published only now is reached at once when we are told to look', async () => {
    const { gateway, sip, world } = federation;
    await gateway.logged({ event: 'trunk-down', partner: late });
    await alice.say(`lou@${late}`, 'too early', 'early-1');
    const error = await alice.messages.next(({ attrs }) => attrs.id === 'early-1');
    expect(error.getChild('error')?.getChild('remote-server-not-found')).toBeDefined();

    const server = new AnsweringServer(await sip.wireServer(await sip.sipCertificate(late)));
    publishSip(world.dns, late, [{ host: server.server.address, port: server.server.port }]);
    await gateway.reload();
    await alice.say(`lou@${late}`, 'in time');
    const arrival = await server.next('MESSAGE', { timeoutMs: 3_000 });
    expect(arrival.message.body.toString()).toBe('in time');
    await say(arrival, 200);
    const call = desk.call(`sip:lou@${late}`, { offer: audioSdp() });
    await server.takeCall(`sip:lou@${late}`);
    const ended = (await call.answered()).bye();
    await say(await server.next('BYE'), 200);
    await ended;
    expect(alice.messages.unread).toEqual([]);
  });
});
