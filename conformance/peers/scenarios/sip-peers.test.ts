import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import type { Kamailio } from '../kamailio.ts';
import { audioSdp } from '../sip-call.ts';
import { SipPeers } from '../sip-peers.ts';
import { headerValue, headerValues, statusOf } from '../sip-reader.ts';
import { sipBytes } from '../sip-wire.ts';
import { callee, caller, mailbox, messenger, refuser } from '../sipp-scenarios.ts';
import { World } from '../world.ts';

const domain = 'p.example';
const elsewhere = 'h.example';

// The tools themselves, without any gateway: what these cannot do no other SIP scenario can show.
describe.runIf(requirePeers('kamailio', 'sipp', 'baresip', 'stunnel'))('the SIP peers among themselves', () => {
  let world: World;
  let sip: SipPeers;
  let proxy: Kamailio;

  beforeAll(async () => {
    world = await World.start();
    sip = new SipPeers(world);
    proxy = await sip.kamailio({ domain, routes: { [elsewhere]: [] } });
  });
  afterAll(() => world?.close());

  describe('users of sip.js behind Kamailio', () => {
    it('exchange messages, over TLS and over TCP', async () => {
      const bob = await sip.user(proxy, 'bob');
      const bert = await sip.user(proxy, 'bert', { access: 'tcp' });
      expect((await bob.message(bert.uri, 'grüß dich')).statusCode).toBe(200);
      expect(await bert.messages.next()).toMatchObject({ text: 'grüß dich', from: bob.uri, type: 'text/plain' });
      bob.answerMessage = () => ({ statusCode: 486 });
      expect((await bert.message(bob.uri, 'busy?')).statusCode).toBe(486);
      expect((await bob.message(`sip:nobody@${domain}`, 'anyone?')).statusCode).toBe(404);
      await Promise.all([bob.close(), bert.close()]);
    });

    it('call each other, and the test controls each step', async () => {
      const bob = await sip.user(proxy, 'bob');
      const bert = await sip.user(proxy, 'bert', { access: 'tcp' });
      const call = bob.call(bert.uri, { offer: audioSdp() });
      const incoming = await bert.calls.next();
      expect(incoming.offer).toContain('m=audio');
      incoming.ring(183, audioSdp({ port: 41_000 }));
      expect((await call.rings(183)).body).toContain('41000');
      const far = incoming.answer(audioSdp({ port: 41_000 }));
      const near = await call.answered();
      await far.acks.next();
      expect((await near.modify(audioSdp({ direction: 'sendonly', version: 2 }))).statusCode).toBe(200);
      expect((await far.modifications.next()).message.body).toContain('a=sendonly');
      const info = near.info('application/dtmf-relay', 'Signal=1');
      (await far.requests.next(({ message }) => message.method === 'INFO')).accept();
      expect((await info).statusCode).toBe(200);
      expect((await far.bye()).statusCode).toBe(200);
      await near.ended;
      await Promise.all([bob.close(), bert.close()]);
    });

    it('cancel, refuse, and answer an INVITE that has no offer', async () => {
      const bob = await sip.user(proxy, 'bob');
      const bert = await sip.user(proxy, 'bert', { access: 'tcp' });
      const given = bob.call(bert.uri, { offer: audioSdp() });
      const ringing = await bert.calls.next();
      ringing.ring();
      await given.rings();
      given.cancel();
      await ringing.cancelled;
      expect((await given.refused()).statusCode).toBe(487);
      const refused = bob.call(bert.uri, { offer: audioSdp() });
      (await bert.calls.next()).refuse(603);
      expect((await refused.refused()).statusCode).toBe(603);
      const late = bob.call(bert.uri, { late: audioSdp({ port: 42_000 }) });
      const far = (await bert.calls.next()).answer(audioSdp());
      const near = await late.answered();
      expect(await far.acks.next()).toContain('42000');
      await near.bye();
      await far.ended;
      await Promise.all([bob.close(), bert.close()]);
    });
  });

  it('two telephones call each other, and one shows a message', async () => {
    const phone = await sip.phone(proxy, 'bob');
    const other = await sip.phone(proxy, 'bella', { access: 'tcp' });
    await phone.dial(other.uri);
    await other.event('CALL_INCOMING');
    await phone.event('CALL_RINGING');
    await other.answer();
    await Promise.all([phone.event('CALL_ESTABLISHED'), other.event('CALL_ESTABLISHED')]);
    await other.hangUp();
    await phone.event('CALL_CLOSED');
    const bert = await sip.user(proxy, 'bert');
    expect((await bert.message(phone.uri, 'grüß dich')).statusCode).toBe(200);
    expect(await phone.messages.next()).toEqual({ from: bert.uri, text: 'grüß dich' });
    const call = bert.call(phone.uri, { offer: audioSdp() });
    await phone.event('CALL_INCOMING');
    await phone.answer();
    const session = await call.answered();
    await phone.event('CALL_ESTABLISHED');
    await session.bye();
    await phone.event('CALL_CLOSED');
    await Promise.all([phone.close(), other.close(), bert.close()]);
  });

  describe('SIPp', () => {
    it('calls itself over TCP, and over TLS through stunnel', async () => {
      const server = await sip.sippServer({ scenario: callee() });
      const certificate = await sip.sipCertificate(domain);
      const front = await sip.stunnel({ mode: 'unwrap', target: server, certificate });
      const back = await sip.stunnel({ mode: 'wrap', target: front, certificate, serverName: domain });
      const scenario = caller({ from: `sip:100@${elsewhere}`, domain });
      for (const target of [server, back]) {
        const client = await sip.sippClient({ scenario, target, calls: 20, rate: 100, service: 'bob' });
        expect(await client.finished).toMatchObject({ successful: 20, failed: 0, retransmissions: 0, errors: '' });
      }
      expect(await server.finish()).toMatchObject({ successful: 40, failed: 0 });
    });

    it('sends messages to itself, and tells what it did not expect', async () => {
      const server = await sip.sippServer({ scenario: mailbox() });
      const from = `sip:100@${elsewhere}`;
      const asExpected = messenger({ from, domain });
      const client = await sip.sippClient({
        scenario: asExpected,
        target: server,
        calls: 50,
        rate: 200,
        service: 'bob',
      });
      expect(await client.finished).toMatchObject({ successful: 50, failed: 0, errors: '' });
      const otherwise = messenger({ from, domain, expect: 404 });
      const astonished = await sip.sippClient({ scenario: otherwise, target: server, service: 'bob' });
      const report = await astonished.finished;
      expect(report).toMatchObject({ successful: 0, failed: 1 });
      expect(report.errors).toContain('200');
    });

    it('refuses calls', async () => {
      const server = await sip.sippServer({ scenario: refuser(486, 'Busy Here') });
      const wire = await sip.wire(server);
      const from = `sip:100@${elsewhere}`;
      const answer = await wire.exchange({ method: 'INVITE', target: `sip:bob@${domain}`, from });
      expect(answer.start).toBe('SIP/2.0 486 Busy Here');
      await wire.close();
    });
  });

  describe('two Kamailios over mutual TLS', () => {
    it('carry messages and calls to the domain of the other, with routes recorded', async () => {
      const route = { address: proxy.address, port: proxy.ports.trunk, tls: true };
      const other = await sip.kamailio({ domain: elsewhere, routes: { [domain]: [route] } });
      const alice = await sip.user(other, 'alice');
      const bob = await sip.user(proxy, 'bob');
      expect((await alice.message(bob.uri, 'across')).statusCode).toBe(200);
      expect(await bob.messages.next()).toMatchObject({ text: 'across', from: alice.uri });
      const call = alice.call(bob.uri, { offer: audioSdp() });
      const far = (await bob.calls.next()).answer(audioSdp());
      const near = await call.answered();
      await far.acks.next();
      await far.bye();
      await near.ended;
      expect((await bob.message(alice.uri, 'no way back')).statusCode).toBe(404);
      const { address, ports } = other;
      await proxy.reroute({ [elsewhere]: [{ address, port: ports.trunk, tls: true }] });
      expect((await bob.message(alice.uri, 'a way back')).statusCode).toBe(200);
      expect(await alice.messages.next()).toMatchObject({ text: 'a way back' });
      await Promise.all([alice.close(), bob.close()]);
      await other.close();
    });

    it('goes on to the next hop when the first does not answer, and pings', async () => {
      const dead = await world.loopback.port(proxy.address);
      const live = await sip.wireServer(await sip.sipCertificate(elsewhere));
      const other = await sip.kamailio({
        domain: 'q.example',
        pingSeconds: 1,
        routes: {
          [elsewhere]: [
            { address: proxy.address, port: dead, tls: true },
            { address: live.address, port: live.port, tls: true },
          ],
        },
      });
      const wire = await live.next();
      expect(wire.tls?.getPeerCertificate().subjectaltname).toContain('URI:sip:q.example');
      await wire.respond(await wire.request('OPTIONS'), 200, 'OK');
      const user = await sip.user(other, 'quinn');
      const sent = user.message(`sip:alice@${elsewhere}`, 'round the corner');
      const message = await wire.request('MESSAGE');
      expect(message.body.toString()).toBe('round the corner');
      expect(headerValues(message, 'via')).toHaveLength(2);
      await wire.respond(message, 202, 'Accepted');
      expect((await sent).statusCode).toBe(202);
      await user.close();
      await other.close();
    });
  });

  describe('a wire', () => {
    it('demands nothing of what it sends, and reads what comes', async () => {
      const { address, ports } = proxy;
      const wire = await sip.wire({ address, port: ports.phones, tls: {} });
      const options = await wire.exchange({ method: 'OPTIONS', target: `sip:${domain}`, from: 'sip:x@p.example' });
      expect(statusOf(options)).toBe(200);
      await wire.write('\r\n\r\n');
      const folded = { method: 'OPTIONS', target: `sip:${domain}`, from: 'sip:x@p.example', callId: 'folded\r\n ' };
      expect(headerValue(await wire.exchange(folded), 'i')).toBe('folded');
      await wire.write(sipBytes({ start: `OPTIONS sip:${domain} SIP/2.0`, headers: [['v', 'nonsense']] }));
      await wire.closed;
    });

    it('sees a certificate change, without a restart', async () => {
      const { address, ports } = proxy;
      const shown = async () => {
        const wire = await sip.wire({ address, port: ports.phones, tls: {} });
        const { fingerprint256 = '' } = wire.tls?.getPeerCertificate() ?? {};
        await wire.close();
        return fingerprint256;
      };
      const before = await shown();
      await proxy.rotateCertificate(await sip.sipCertificate(domain));
      expect(await shown()).not.toBe(before);
    });

    it('is refused on the trunk without a certificate', async () => {
      const { address, ports } = proxy;
      const wire = await sip.wire({ address, port: ports.trunk, tls: {} });
      await wire.write(sipBytes({ start: `OPTIONS sip:${domain} SIP/2.0`, headers: [] })).catch(() => {});
      await wire.closed;
      expect(wire.messages.total).toBe(0);
    });
  });
});
