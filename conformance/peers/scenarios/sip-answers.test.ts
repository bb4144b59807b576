import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishSip } from '../dns.ts';
import { AnsweringServer, answerTo, say, withinCall } from '../sip-answering.ts';
import { audioSdp } from '../sip-call.ts';
import { type LocalUser, SipFederation } from '../sip-federation.ts';
import { headerValue } from '../sip-reader.ts';
import type { SipUser } from '../sip-user.ts';
import { token } from '../sip-wire.ts';

const raw = 'raw.example';
const others = {
  [raw]: `partner: ${raw}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both }\ncalls: { allow: both }\ntrunk: { ping: 1h }\n`,
};
const contact = [['Contact', `<sip:rita@${raw}>`]] as const;
/** Timers B and F (RFC 3261 §17.1), and some more. */
const timeoutMs = 40_000;

// What follows from session timers is in gateway/sip/dialog/session-timer.test.ts: 90 s is the least they may be.
describe.runIf(requirePeers('kamailio'))('a partner whose answers are strange', () => {
  let federation: SipFederation;
  let partner: AnsweringServer;
  let alice: LocalUser;
  let desk: SipUser;

  beforeAll(async () => {
    federation = await SipFederation.start({
      home: 'embedded',
      pbx: true,
      others,
      before: async (sip, { dns }) => {
        partner = new AnsweringServer(await sip.wireServer(await sip.sipCertificate(raw)));
        publishSip(dns, raw, [{ host: partner.server.address, port: partner.server.port }]);
      },
    });
    [alice, desk] = await Promise.all([federation.alice(), federation.desk()]);
  });
  afterAll(() => federation?.close());

  const dial = () => desk.call(`sip:rita@${raw}`, { offer: audioSdp() });

  /** A message goes through: nothing that came before has done harm. */
  async function isWell(): Promise<void> {
    const text = token();
    await alice.say(`rita@${raw}`, text);
    const arrival = await partner.next('MESSAGE');
    expect(arrival.message.body.toString()).toBe(text);
    await say(arrival, 200);
    expect(alice.messages.unread).toEqual([]);
  }

  it('answers twice', async () => {
    await alice.say(`rita@${raw}`, 'twice?');
    const message = await partner.next('MESSAGE');
    const bytes = answerTo(message, 200);
    await message.wire.write(bytes);
    await message.wire.write(bytes);
    await message.wire.write(answerTo(message, 486));

    const call = dial();
    const invite = await partner.next('INVITE');
    const accepted = answerTo(invite, 200, { headers: contact, sdp: audioSdp() });
    await invite.wire.write(accepted);
    const session = await call.answered();
    const first = await partner.next('ACK');
    await invite.wire.write(accepted);
    const second = await partner.next('ACK');
    expect(headerValue(second.message, 'cseq')).toBe(headerValue(first.message, 'cseq'));
    expect(call.outcomes.unread).toEqual([]);
    const ended = session.bye();
    await say(await partner.next('BYE'), 200);
    expect((await ended).statusCode).toBe(200);
    await isWell();
  });

  it('answers with 200 what was cancelled: the call is taken up and ended', async () => {
    const call = dial();
    const invite = await partner.next('INVITE');
    await say(invite, 180, { tag: 'ringing', headers: contact });
    await call.rings();
    call.cancel();
    const cancel = await partner.next('CANCEL');
    await say(cancel, 200);
    expect((await call.refused()).statusCode).toBe(487);
    await say(invite, 200, { tag: 'ringing', headers: contact, sdp: audioSdp() });
    await partner.next('ACK');
    await say(await partner.next('BYE'), 200);
    await isWell();
  });

  it('answers for a second telephone too, whose call is ended', async () => {
    const call = dial();
    const invite = await partner.next('INVITE');
    await say(invite, 200, { tag: 'one', headers: contact, sdp: audioSdp() });
    const session = await call.answered();
    expect(headerValue((await partner.next('ACK')).message, 'to')).toContain('tag=one');
    await say(invite, 200, { tag: 'two', headers: contact, sdp: audioSdp() });
    expect(headerValue((await partner.next('ACK')).message, 'to')).toContain('tag=two');
    const other = await partner.next('BYE');
    expect(headerValue(other.message, 'to')).toContain('tag=two');
    await say(other, 200);
    await invite.wire.send(withinCall({ arrival: invite, tag: 'one' }, 'BYE'));
    await session.ended;
    await isWell();
  });

  it('says 200 without a Contact: the call stands', async () => {
    const call = dial();
    const invite = await partner.next('INVITE');
    await say(invite, 200, { tag: 'nowhere', sdp: audioSdp() });
    const session = await call.answered();
    await partner.next('ACK');
    const ended = session.bye();
    const bye = await partner.next('BYE');
    expect(bye.message.start).toContain(raw);
    await say(bye, 200);
    expect((await ended).statusCode).toBe(200);
    await isWell();
  });

  it('closes amid the answer: each sender is told, and nothing is sent twice', async () => {
    const [messages, invites] = ['MESSAGE', 'INVITE'].map((method) => partner.counts.get(method) ?? 0);
    const call = dial();
    const invite = await partner.next('INVITE');
    await invite.wire.write(answerTo(invite, 200, { headers: contact, sdp: audioSdp() }).subarray(0, 60));
    await invite.wire.close();
    expect((await call.refused()).statusCode).toBeGreaterThanOrEqual(500);
    await isWell();
    await alice.say(`rita@${raw}`, 'half an answer', 'half-1');
    const message = await partner.next('MESSAGE');
    await message.wire.write(answerTo(message, 200).subarray(0, 60));
    await message.wire.close();
    const error = await alice.messages.next(({ attrs }) => attrs.type === 'error');
    expect(error.attrs.id).toBe('half-1');
    await isWell();
    expect(partner.counts.get('MESSAGE')).toBe((messages ?? 0) + 3);
    expect(partner.counts.get('INVITE')).toBe((invites ?? 0) + 1);
  });

  it('answers a re-INVITE never, and then hangs up', async () => {
    const call = dial();
    const taken = await partner.takeCall(`sip:rita@${raw}`);
    const session = await call.answered();
    const modified = session.modify(audioSdp({ direction: 'sendonly', version: 2 }));
    await partner.next('INVITE');
    void taken.arrival.wire.send(withinCall(taken, 'BYE'));
    await session.ended;
    expect((await modified).statusCode).toBeGreaterThanOrEqual(400);
    await isWell();
  });

  it('answers never, or too late: each sender is told once', async () => {
    await alice.say(`rita@${raw}`, 'never', 'never-1');
    const call = dial();
    const [message, invite] = await Promise.all([partner.next('MESSAGE'), partner.next('INVITE')]);
    const refused = await call.refused({ timeoutMs });
    expect([408, 480, 504]).toContain(refused.statusCode);
    const error = await alice.messages.next(({ attrs }) => attrs.type === 'error', { timeoutMs });
    expect(error.attrs.id).toBe('never-1');
    await say(message, 200);
    await say(invite, 200, { tag: 'late', headers: contact, sdp: audioSdp() });
    await isWell();
    expect([call.outcomes.unread, alice.messages.unread]).toEqual([[], []]);
  });
});
