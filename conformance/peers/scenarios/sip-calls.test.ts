import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { audioSdp, type IncomingCall, type OutgoingCall, type SipSession } from '../sip-call.ts';
import { homeDomain, partnerDomain, SipFederation } from '../sip-federation.ts';
import type { SipUser } from '../sip-user.ts';
import { callee, caller } from '../sipp-scenarios.ts';

const shy = 'shy.example';
const others = { [shy]: `partner: ${shy}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both }\n` };

// Two legs with the policy between them: the partner's telephones on one side, those behind the PBX on the other.
describe.runIf(requirePeers('kamailio', 'baresip', 'sipp'))('calls between a partner and the PBX', () => {
  let federation: SipFederation;
  /** At the partner, and behind the PBX. */
  let bob: SipUser;
  let alice: SipUser;

  beforeAll(async () => {
    federation = await SipFederation.start({ home: 'embedded', pbx: true, others });
    [bob, alice] = await Promise.all([federation.bob(), federation.desk()]);
  });
  afterAll(() => federation?.close());

  /** Both ways round: who calls, who is called. */
  const ways = [
    ['inbound', () => [bob, alice] as const],
    ['outbound', () => [alice, bob] as const],
  ] as const;

  async function connect(from: SipUser, to: SipUser): Promise<{ near: SipSession; far: SipSession }> {
    const call = from.call(to.uri, { offer: audioSdp({ port: 40_002 }) });
    const incoming = await to.calls.next();
    incoming.ring();
    await call.rings();
    const far = incoming.answer(audioSdp({ port: 40_004 }));
    const near = await call.answered();
    await far.acks.next();
    return { near, far };
  }

  async function ringing(from: SipUser, to: SipUser): Promise<{ call: OutgoingCall; incoming: IncomingCall }> {
    const call = from.call(to.uri, { offer: audioSdp() });
    const incoming = await to.calls.next();
    incoming.ring();
    await call.rings();
    return { call, incoming };
  }

  describe.each(ways)('%s', (_, parties) => {
    it('are set up with the description of each side, and ended by either', async () => {
      const [from, to] = parties();
      for (const who of ['caller', 'callee'] as const) {
        const call = from.call(to.uri, { offer: audioSdp({ port: 40_002 }) });
        const incoming = await to.calls.next();
        expect(incoming.offer).toContain('m=audio 40002 ');
        expect(incoming.request.message.from.uri.toString()).toBe(from.uri);
        incoming.ring();
        await call.rings();
        const far = incoming.answer(audioSdp({ port: 40_004 }));
        const outcome = await call.outcomes.next();
        expect(outcome.ok && outcome.message.body).toContain('m=audio 40004 ');
        if (!outcome.ok) throw new Error('refused');
        await far.acks.next();
        const [ends, waits] = who === 'caller' ? [outcome.session, far] : [far, outcome.session];
        expect((await ends.bye()).statusCode).toBe(200);
        await waits.ended;
      }
    });

    it('show no address of the other side, and no dialog of it', async () => {
      const [from, to] = parties();
      const call = from.call(to.uri, { offer: audioSdp() });
      const incoming = await to.calls.next();
      const { message } = incoming.request;
      const head = message.data.slice(0, message.data.indexOf('\r\n\r\n'));
      const hidden = from === bob ? [bob, federation.partner.address] : [alice, federation.pbx.address];
      for (const text of [call.callId, hidden[1] as string, (hidden[0] as SipUser).contact]) {
        expect(head).not.toContain(text);
      }
      incoming.refuse(486);
      await call.refused();
    });

    it('have early media', async () => {
      const [from, to] = parties();
      const call = from.call(to.uri, { offer: audioSdp() });
      const incoming = await to.calls.next();
      incoming.ring(183, audioSdp({ port: 40_006 }));
      expect((await call.rings(183)).body).toContain('m=audio 40006 ');
      incoming.answer(audioSdp({ port: 40_006 }));
      const near = await call.answered();
      expect((await near.bye()).statusCode).toBe(200);
    });

    it('carry an offer that comes late', async () => {
      const [from, to] = parties();
      const call = from.call(to.uri, { late: audioSdp({ port: 40_010 }) });
      const incoming = await to.calls.next();
      expect(incoming.offer).toBe('');
      const far = incoming.answer(audioSdp({ port: 40_008 }));
      const outcome = await call.outcomes.next();
      expect(outcome.ok && outcome.message.body).toContain('m=audio 40008 ');
      expect(await far.acks.next()).toContain('m=audio 40010 ');
      await far.bye();
    });

    it.each([486, 480, 603, 488, 404])('are refused with %i', async (status) => {
      const [from, to] = parties();
      const call = from.call(to.uri, { offer: audioSdp() });
      (await to.calls.next()).refuse(status);
      expect((await call.refused()).statusCode).toBe(status);
    });

    it('are not redirected unless the policy says so', async () => {
      const [from, to] = parties();
      const call = from.call(to.uri, { offer: audioSdp() });
      (await to.calls.next()).redirect(`sip:elsewhere@${partnerDomain}`);
      const refused = await call.refused();
      expect(refused.statusCode).toBeGreaterThanOrEqual(400);
      expect(refused.getHeader('contact') ?? '').not.toContain('elsewhere');
    });

    it('are cancelled while they ring, and before', async () => {
      const [from, to] = parties();
      const { call, incoming } = await ringing(from, to);
      call.cancel();
      await incoming.cancelled;
      expect((await call.refused()).statusCode).toBe(487);
      const silent = from.call(to.uri, { offer: audioSdp() });
      const unanswered = await to.calls.next();
      silent.cancel();
      await unanswered.cancelled;
      expect((await silent.refused()).statusCode).toBe(487);
    });

    it('end well where the answer and the CANCEL cross', async () => {
      const [from, to] = parties();
      for (let round = 0; round < 10; round += 1) {
        const { call, incoming } = await ringing(from, to);
        call.cancel();
        const far = incoming.answer(audioSdp());
        const outcome = await call.outcomes.next();
        if (outcome.ok) await outcome.session.bye();
        await Promise.race([far.ended, incoming.cancelled]);
      }
    });

    it('are held and taken up again', async () => {
      const [from, to] = parties();
      const { near, far } = await connect(from, to);
      expect((await near.modify(audioSdp({ direction: 'sendonly', version: 2 }))).statusCode).toBe(200);
      expect((await far.modifications.next()).message.body).toContain('a=sendonly');
      await far.acks.next();
      expect((await far.modify(audioSdp({ version: 3 }))).statusCode).toBe(200);
      expect((await near.modifications.next()).message.body).toContain('a=sendrecv');
      await near.bye();
      await far.ended;
    });

    it('survive both sides changing them at once', async () => {
      const [from, to] = parties();
      const { near, far } = await connect(from, to);
      const statuses = await Promise.all([
        near.modify(audioSdp({ direction: 'sendonly', version: 2 })),
        far.modify(audioSdp({ direction: 'recvonly', version: 2 })),
      ]);
      for (const { statusCode } of statuses) expect([200, 491, 500]).toContain(statusCode);
      expect((await near.modify(audioSdp({ version: 3 }))).statusCode).toBe(200);
      await near.bye();
      await far.ended;
    });

    it('carry keys and nothing else', async () => {
      const [from, to] = parties();
      const { near, far } = await connect(from, to);
      const keys = near.info('application/dtmf-relay', 'Signal=5\r\nDuration=160\r\n');
      const heard = await far.requests.next(({ message }) => message.method === 'INFO');
      expect(heard.message.body).toContain('Signal=5');
      heard.accept();
      expect((await keys).statusCode).toBe(200);
      expect((await near.info('application/x-secret', 'x')).statusCode).toBe(415);
      await near.bye();
      await far.ended;
    });

    it('are not transferred unless the policy says so', async () => {
      const [from, to] = parties();
      const { near, far } = await connect(from, to);
      const denied = await near.refer('sip:elsewhere@p.example');
      expect(denied.statusCode).toBeGreaterThanOrEqual(400);
      expect(far.modifications.total).toBe(0);
      await near.bye();
      await far.ended;
    });

    it('end once where both sides hang up at once', async () => {
      const [from, to] = parties();
      const { near, far } = await connect(from, to);
      const answers = await Promise.all([near.bye(), far.bye()]);
      for (const { statusCode } of answers) expect([200, 481]).toContain(statusCode);
      await federation.gateway.logged({ event: 'call-ended' });
    });
  });

  it('ring every telephone of a user, and the rest stop when one answers', async () => {
    const second = await federation.bob();
    const call = alice.call(bob.uri, { offer: audioSdp() });
    const [one, other] = await Promise.all([bob.calls.next(), second.calls.next()]);
    one.ring();
    other.ring();
    await call.rings();
    const far = other.answer(audioSdp());
    const near = await call.answered();
    await one.cancelled;
    await near.bye();
    await far.ended;
    await second.close();
    await bob.register();
  });

  it('are refused before anything rings where the policy does not allow them', async () => {
    const { certificatePem: cert, keyPem: key } = await federation.sip.sipCertificate(shy);
    const { address, ports } = federation.gateway;
    const wire = await federation.sip.wire({ address, port: ports.sip, tls: { cert, key, servername: homeDomain } });
    const after = federation.gateway.log.mark();
    const invite = {
      method: 'INVITE',
      target: alice.uri,
      from: `sip:sam@${shy}`,
      headers: [
        ['Contact', `<sip:sam@${wire.local};transport=tls>`],
        ['Content-Type', 'application/sdp'],
      ],
      body: audioSdp(),
    } as const;
    expect((await wire.exchange(invite)).start).toMatch(/^SIP\/2\.0 403 /);
    await federation.gateway.logged({ event: 'call-refused', partner: shy }, after);
    expect(alice.calls.unread).toHaveLength(0);
    await wire.close();
  });

  it('connect two real telephones', async () => {
    const [phone, desk] = await Promise.all([
      federation.sip.phone(federation.partner, 'bella'),
      federation.sip.phone(federation.pbx, 'ceo', { access: 'tcp' }),
    ]);
    for (const [from, to] of [
      [phone, desk],
      [desk, phone],
    ] as const) {
      await from.dial(to.uri);
      await to.event('CALL_INCOMING');
      await from.event('CALL_RINGING');
      await to.answer();
      await Promise.all([from.event('CALL_ESTABLISHED'), to.event('CALL_ESTABLISHED')]);
      await from.hold();
      await from.resume();
      await to.hangUp();
      await from.event('CALL_CLOSED');
    }
    await Promise.all([phone.close(), desk.close()]);
  });

  it('are many at once', async () => {
    const server = await federation.sip.sippServer({ scenario: callee() });
    await federation.pbx.bind('pool', `sip:pool@${server.address}:${server.port};transport=tcp`);
    const scenario = caller({ from: `sip:bert@${partnerDomain}`, domain: homeDomain, talkMs: 100 });
    const target = { address: federation.partner.address, port: federation.partner.ports.tcp };
    const client = await federation.sip.sippClient({ scenario, target, calls: 100, rate: 100, service: 'pool' });
    expect(await client.finished).toMatchObject({ successful: 100, failed: 0 });
    expect(await server.finish()).toMatchObject({ successful: 100, failed: 0 });
  });
});
