import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Answer, InRequest, ModifyAnswer, OutCall, Session } from '../port.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { Inbox } from './testing/frames.ts';
import { Site } from './testing/site.ts';
import type { SentByPeer, SentByUs } from './testing/stand-in-server.ts';

let site: Site;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock();
  site = await Site.start({ clock });
});
afterEach(async () => {
  await site.close();
  expect(site.stack.load).toMatchObject({ standing: 0, waiting: 0 });
  expect(clock.pending).toBe(0);
});

const invite = {
  target: 'sip:bob@p.example',
  from: { uri: 'sip:alice@h.example' },
  to: { uri: 'sip:bob@p.example' },
} as const;

/** A call of the peer that was answered and acknowledged. */
async function incoming(): Promise<{ session: Session; dialog: string; call: SentByPeer }> {
  const call = site.server.receive('INVITE', { body: 'offer' });
  const answered = (await site.calls.next()).answer('answer');
  expect(await call.responses.next()).toMatchObject({ status: 200 });
  site.server.receive('ACK', { dialog: call.dialogId, alike: call });
  return { session: await answered, dialog: call.dialogId, call };
}

/** A call of ours that the peer answered. */
async function outgoing(): Promise<{ session: Session; sent: SentByUs }> {
  const { result } = site.trunk.invite({ ...invite, offer: 'offer' });
  const sent = await site.server.sent.next();
  sent.respond(200, { body: 'answer', dialog: 'd1' });
  const ended = await result;
  if (!ended.ok) throw new Error(`${ended.reply.status}`);
  expect((await site.server.sent.next()).request.method).toBe('ACK');
  return { session: ended.session, sent };
}

/** The peer hangs up, lest the end of a test have to. */
async function hangUp(dialog: string, session: Session): Promise<void> {
  site.server.receive('BYE', { dialog, headers: [['Reason', 'SIP;cause=200']] });
  expect(await session.ended).toEqual({ by: 'peer', reason: 'SIP;cause=200' });
}

describe('calls of a peer', () => {
  it('ring, are answered, and stand when the ACK is in', async () => {
    const call = site.server.receive('INVITE', { body: 'offer', headers: [['X-Tenant', '1']] });
    const arrived = await site.calls.next();
    expect(arrived).toMatchObject({ offer: 'offer', target: 'sip:alice@h.example', hops: 70 });
    expect(arrived.headers.get('X-Tenant')).toBeUndefined();
    arrived.ring({ status: 183, sdp: 'early', headers: [['Alert-Info', '<urn:alert:source:external>']] });
    const ringing = await call.responses.next();
    expect(ringing).toMatchObject({ status: 183 });
    expect(ringing.body.toString()).toBe('early');
    expect(ringing.headers.get('Content-Type')).toBe('application/sdp');
    expect(ringing.headers.get('Alert-Info')).toBe('<urn:alert:source:external>');
    const answered = arrived.answer('answer', [['Subject', 'x']]);
    const ok = await call.responses.next();
    expect(ok.status).toBe(200);
    expect(ok.body.toString()).toBe('answer');
    expect(ok.headers.get('Subject')).toBe('x');
    site.server.receive('ACK', { dialog: call.dialogId, alike: call });
    const session = await answered;
    expect(session.remote.uri).toBe('sip:bob@p.example');
    await hangUp(call.dialogId, session);
  });

  it('without an offer get ours, and their ACK brings the answer', async () => {
    const call = site.server.receive('INVITE');
    const arrived = await site.calls.next();
    expect(arrived.offer).toBeUndefined();
    const answered = arrived.answerWithOffer('our offer');
    expect((await call.responses.next()).body.toString()).toBe('our offer');
    site.server.receive('ACK', { dialog: call.dialogId, alike: call, body: 'their answer' });
    const { session, sdp } = await answered;
    expect(sdp).toBe('their answer');
    await hangUp(call.dialogId, session);
  });

  it('whose ACK brings no answer to our offer are ended', async () => {
    const call = site.server.receive('INVITE');
    const answered = (await site.calls.next()).answerWithOffer('our offer');
    const failed = expect(answered).rejects.toMatchObject({ code: 'call-unacknowledged' });
    await call.responses.next();
    site.server.receive('ACK', { dialog: call.dialogId, alike: call });
    await failed;
    const bye = await site.server.sent.next();
    expect(bye).toMatchObject({ dialogId: call.dialogId, request: { method: 'BYE' } });
    bye.respond(200);
    await site.caughtUp();
  });

  it.each(['by the server', 'in our own time'])('whose ACK never comes are given up %s', async (who) => {
    const call = site.server.receive('INVITE', { body: 'offer' });
    const answered = (await site.calls.next()).answer('answer');
    const failed = expect(answered).rejects.toMatchObject({ code: 'call-unacknowledged' });
    await call.responses.next();
    await site.caughtUp();
    if (who === 'by the server') {
      site.server.giveUp(call.dialogId);
      await failed;
      return;
    }
    await clock.advanceAsync(40_000);
    await failed;
    (await site.server.sent.next()).respond(200);
    await site.caughtUp();
  });

  it('are refused with what the gateway says', async () => {
    const call = site.server.receive('INVITE', { body: 'offer' });
    const arrived = await site.calls.next();
    arrived.refuse({ status: 486, reason: 'In A Meeting', headers: [['Retry-After', '60']] });
    arrived.refuse({ status: 603 });
    arrived.ring({ status: 180 });
    const refused = await call.responses.next();
    expect(refused).toMatchObject({ status: 486, reason: 'In A Meeting' });
    expect(refused.headers.get('Retry-After')).toBe('60');
    await expect(arrived.answer('late')).rejects.toMatchObject({ code: 'call-over' });
    await site.caughtUp();
    expect(call.responses.size).toBe(0);
  });

  it('are cancelled by their caller, and by nobody else', async () => {
    const call = site.server.receive('INVITE', { body: 'offer' });
    const arrived = await site.calls.next();
    arrived.ring({ status: 180 });
    await call.responses.next();
    const from = '<sip:mallory@p.example>;tag=other';
    site.server.receive('CANCEL', { alike: call, from });
    await site.caughtUp();
    expect(arrived.cancelled.aborted).toBe(false);
    await hangUpEarly(call);
    expect(arrived.cancelled.aborted).toBe(true);

    const another = site.server.receive('INVITE', { body: 'offer' });
    const ringing = await site.calls.next();
    site.server.receive('CANCEL', { alike: another });
    await site.caughtUp();
    expect(ringing.cancelled.aborted).toBe(true);
    // The server has sent the 487.
    expect(another.responses.size).toBe(0);
    await expect(ringing.answer('late')).rejects.toMatchObject({ code: 'call-over' });
  });

  async function hangUpEarly(call: SentByPeer): Promise<void> {
    expect(await site.server.receive('BYE', { dialog: call.dialogId }).responses.next()).toMatchObject({ status: 200 });
    expect(await call.responses.next()).toMatchObject({ status: 487 });
  }

  it('that demand it hear provisional responses that are acknowledged, one after another', async () => {
    const call = site.server.receive('INVITE', { body: 'offer', headers: [['Require', '100rel']] });
    const arrived = await site.calls.next();
    arrived.ring({ status: 183, sdp: 'early answer' });
    arrived.ring({ status: 180 });
    const answered = arrived.answer('answer');
    const first = await call.responses.next();
    expect(first.headers.all('Require')).toEqual(['100rel']);
    await site.caughtUp();
    expect(call.responses.size).toBe(0);
    const prack = site.server.receive('PRACK', { dialog: call.dialogId, alike: call });
    expect(await prack.responses.next()).toMatchObject({ status: 200 });
    const ok = await call.responses.next();
    expect(ok.status).toBe(200);
    // The reliable 183 had the answer (RFC 3262 §5).
    expect(ok.body).toHaveLength(0);
    site.server.receive('ACK', { dialog: call.dialogId, alike: call });
    await hangUp(call.dialogId, await answered);
  });

  it('that ring on are reminded of, and given up at last', async () => {
    const call = site.server.receive('INVITE', { body: 'offer' });
    const arrived = await site.calls.next();
    arrived.ring({ status: 180 });
    expect(await call.responses.next()).toMatchObject({ status: 180 });
    await clock.advanceAsync(60_000);
    expect(await call.responses.next()).toMatchObject({ status: 180 });
    await clock.advanceAsync(140_000);
    const later = [];
    for (let n = 0; n < 3; n += 1) later.push((await call.responses.next()).status);
    expect(later).toEqual([180, 180, 480]);
    expect(arrived.cancelled.aborted).toBe(true);
  });
});

describe('calls of ours', () => {
  function place(offer: string | null = 'offer', signal?: AbortSignal): { call: OutCall; heard: Inbox<string> } {
    const call = site.trunk.invite({
      ...invite,
      offer: offer ?? undefined,
      signal,
      hops: 9,
      headers: [['Subject', 'x']],
    });
    const heard = new Inbox<string>();
    call.onProgress = ({ status, fork, sdp = '' }) => heard.put(`${status} ${fork} ${sdp}`);
    return { call, heard };
  }

  it('hear of each fork, and stand with the first that answers', async () => {
    const { call, heard } = place();
    const sent = await site.server.sent.next();
    expect(sent.request).toMatchObject({ method: 'INVITE', maxForwards: 9 });
    expect(sent.request.body.toString()).toBe('offer');
    expect(sent.request.headers.get('Content-Type')).toBe('application/sdp');
    expect(sent.proxy).toBe('sip:192.0.2.7:5061;transport=tls');
    sent.respond(100);
    sent.respond(180, { tag: 'desk' });
    sent.respond(183, { tag: 'mobile', body: 'early' });
    expect([await heard.next(), await heard.next()]).toEqual(['180 desk ', '183 mobile early']);
    sent.respond(200, { tag: 'mobile', body: 'answer', dialog: 'd1' });
    const result = await call.result;
    if (!result.ok) throw new Error('refused');
    expect(result).toMatchObject({ sdp: 'answer', session: { remote: { uri: 'sip:bob@p.example' } } });
    expect(result.ack).toBeUndefined();
    expect(await site.server.sent.next()).toMatchObject({ dialogId: 'd1', request: { method: 'ACK' } });
    await hangUp('d1', result.session);
  });

  it('without an offer send the ACK with the answer', async () => {
    const { call } = place(null);
    const sent = await site.server.sent.next();
    expect(sent.request.body).toHaveLength(0);
    expect(sent.request.headers.all('Supported')).not.toContain('100rel');
    sent.respond(200, { body: 'their offer', dialog: 'd1' });
    const result = await call.result;
    if (!result.ok) throw new Error('refused');
    expect(result.sdp).toBe('their offer');
    await site.caughtUp();
    expect(site.server.sent.size).toBe(0);
    result.ack?.('our answer');
    result.ack?.('another');
    const ack = await site.server.sent.next();
    expect(ack).toMatchObject({ dialogId: 'd1', request: { method: 'ACK' } });
    expect(ack.request.body.toString()).toBe('our answer');
    await hangUp('d1', result.session);
    expect(site.server.sent.size).toBe(0);
  });

  it('without an offer that end before the answer are acknowledged all the same', async () => {
    const { call } = place(null);
    (await site.server.sent.next()).respond(200, { body: 'their offer', dialog: 'd1' });
    const result = await call.result;
    if (!result.ok) throw new Error('refused');
    const ended = result.session.end('SIP;cause=603');
    expect((await site.server.sent.next()).request.method).toBe('ACK');
    const bye = await site.server.sent.next();
    expect(bye.request.headers.get('Reason')).toBe('SIP;cause=603');
    bye.respond(200);
    await ended;
    expect(await result.session.ended).toEqual({ by: 'us', reason: 'SIP;cause=603' });
  });

  it('end where their answer is more than the server reads', async () => {
    const { call } = place(null);
    (await site.server.sent.next()).respond(200, { body: 'their offer', dialog: 'd1' });
    const result = await call.result;
    if (!result.ok) throw new Error('refused');
    expect(() => result.ack?.('x'.repeat(200_000))).toThrow(expect.objectContaining({ code: 'sip-too-big' }));
    expect((await site.server.sent.next()).request).toMatchObject({ method: 'ACK', body: Buffer.alloc(0) });
    (await site.server.sent.next()).respond(200);
    expect(await result.session.ended).toMatchObject({ by: 'us' });
    await site.caughtUp();
    expect(site.server.connections).toBe(1);
  });

  it('acknowledge provisional responses that ask for it', async () => {
    const { call } = place();
    const sent = await site.server.sent.next();
    sent.respond(183, {
      headers: [
        ['RSeq', '7'],
        ['Require', '100rel'],
      ],
      body: 'early',
      dialog: 'd1',
    });
    const prack = await site.server.sent.next();
    expect(prack).toMatchObject({ dialogId: 'd1', request: { method: 'PRACK' } });
    expect(prack.request.headers.get('RAck')).toMatch(/^7 1000 INVITE$/);
    sent.respond(200, { dialog: 'd1' });
    const result = await call.result;
    if (!result.ok) throw new Error('refused');
    expect(result.sdp).toBe('early');
    await site.server.sent.next();
    await hangUp('d1', result.session);
  });

  it.each([
    [486, 'busy'],
    [302, 'elsewhere'],
    [603, 'declined'],
  ])('are refused with %i', async (status) => {
    const { call } = place();
    (await site.server.sent.next()).respond(status, { headers: [['Contact', '<sip:x@y.example>']] });
    expect(await call.result).toMatchObject({ ok: false, reply: { status, origin: 'peer' } });
    expect(site.server.sent.size).toBe(0);
  });

  it('are cancelled by their signal', async () => {
    const giving = new AbortController();
    const { call } = place('offer', giving.signal);
    const sent = await site.server.sent.next();
    sent.respond(180);
    giving.abort();
    const cancel = await site.server.sent.next();
    expect(cancel).toMatchObject({ transactionId: sent.transactionId, request: { method: 'CANCEL' } });
    sent.respond(487);
    expect(await call.result).toMatchObject({ ok: false, reply: { status: 487 } });
  });

  it('are cancelled before the server has them, and never begun where it is too late', async () => {
    const giving = new AbortController();
    const { call } = place('offer', giving.signal);
    giving.abort();
    const sent = await site.server.sent.next();
    expect((await site.server.sent.next()).request.method).toBe('CANCEL');
    sent.respond(487);
    expect(await call.result).toMatchObject({ ok: false, reply: { status: 487 } });
    expect(await place('offer', giving.signal).call.result).toMatchObject({ reply: { origin: 'unsent' } });
    expect(site.server.sent.size).toBe(0);
  });

  it('that are answered as they are cancelled are ended', async () => {
    const giving = new AbortController();
    const { call } = place('offer', giving.signal);
    const sent = await site.server.sent.next();
    giving.abort();
    await site.server.sent.next();
    sent.respond(200, { body: 'answer', dialog: 'd1' });
    expect(await call.result).toMatchObject({ ok: false, reply: { status: 487 } });
    expect((await site.server.sent.next()).request.method).toBe('ACK');
    const bye = await site.server.sent.next();
    expect(bye.request.method).toBe('BYE');
    bye.respond(200);
    await site.caughtUp();
  });

  it('that ring for ever are cancelled, and end though nobody answers that', async () => {
    const { call } = place();
    (await site.server.sent.next()).respond(180);
    await clock.advanceAsync(200_000);
    expect((await site.server.sent.next()).request.method).toBe('CANCEL');
    await clock.advanceAsync(40_000);
    expect(await call.result).toMatchObject({ ok: false, reply: { status: 408, origin: 'timeout' } });
  });

  it('that cannot be written are not sent', async () => {
    const { result } = site.trunk.invite({ ...invite, offer: 'x', headers: [['Subject', 'a\r\nb']] });
    expect(await result).toMatchObject({ ok: false, reply: { status: 400, origin: 'unsent' } });
  });

  it('do not lend their Call-ID to a message, which the server would send within them', async () => {
    const { session, sent } = await outgoing();
    const message = site.trunk.request({ ...invite, method: 'MESSAGE', callId: sent.request.callId });
    const other = await site.server.sent.next();
    expect(other.request.callId).not.toBe(sent.request.callId);
    other.respond(200);
    await message;
    await hangUp('d1', session);
  });
});

describe('a call that stands', () => {
  it('is ended by us with one BYE', async () => {
    const { session } = await outgoing();
    const ended = Promise.all([session.end('SIP;cause=200'), session.end()]);
    const bye = await site.server.sent.next();
    expect(bye).toMatchObject({ dialogId: 'd1', request: { method: 'BYE' } });
    bye.respond(200);
    await ended;
    expect(site.server.sent.size).toBe(0);
  });

  it('ends with the server, and for its peer when that is back', async () => {
    const { session, dialog } = await incoming();
    site.server.disconnect();
    expect(await session.ended).toMatchObject({ by: 'transport' });
    await session.end();
    await clock.advanceAsync(1_000);
    const bye = await site.server.sent.next();
    expect(bye).toMatchObject({ dialogId: dialog, request: { method: 'BYE' } });
    bye.respond(200);
    await site.caughtUp();
  });

  it('ends when its session timer runs out, which the server keeps', async () => {
    const { session, dialog } = await incoming();
    site.server.giveUp(dialog);
    expect(await session.ended).toMatchObject({ by: 'timeout' });
  });

  it('is changed by us', async () => {
    const { session } = await outgoing();
    const changed = session.modify('hold', [['Subject', 'wait']]);
    const sent = await site.server.sent.next();
    expect(sent).toMatchObject({ dialogId: 'd1', request: { method: 'INVITE' } });
    expect(sent.request.headers.get('Subject')).toBe('wait');
    sent.respond(200, { body: 'held' });
    expect(await changed).toEqual({ sdp: 'held' });
    expect((await site.server.sent.next()).request.method).toBe('ACK');

    const refused = session.modify('video');
    (await site.server.sent.next()).respond(488);
    expect(await refused).toMatchObject({ reply: { status: 488 } });
    await hangUp('d1', session);
  });

  it('is asked for an offer, and gets the answer with the ACK', async () => {
    const { session } = await outgoing();
    const changed = session.modify(undefined);
    (await site.server.sent.next()).respond(200, { body: 'their offer' });
    const modified = await changed;
    if ('reply' in modified) throw new Error('refused');
    expect(modified.sdp).toBe('their offer');
    modified.ack?.('our answer');
    const ack = await site.server.sent.next();
    expect(ack.request.body.toString()).toBe('our answer');
    await hangUp('d1', session);
  });

  it('tries a change again that met one of the peer', async () => {
    const { session } = await outgoing();
    const changed = session.modify('hold');
    (await site.server.sent.next()).respond(491);
    await site.caughtUp();
    await clock.advanceAsync(4_000);
    (await site.server.sent.next()).respond(200, { body: 'held' });
    expect(await changed).toEqual({ sdp: 'held' });
    await site.server.sent.next();
    await hangUp('d1', session);
  });

  it('is changed by the peer', async () => {
    const { session, dialog } = await incoming();
    session.onModify = (offer): Promise<ModifyAnswer> => Promise.resolve({ sdp: `answer to ${offer}` });
    const change = site.server.receive('INVITE', { dialog, body: 'hold', cseq: 2 });
    const ok = await change.responses.next();
    expect(ok.status).toBe(200);
    expect(ok.body.toString()).toBe('answer to hold');
    site.server.receive('ACK', { dialog });
    const update = site.server.receive('UPDATE', { dialog, body: 'resume', cseq: 3 });
    expect((await update.responses.next()).body.toString()).toBe('answer to resume');
    const refresh = site.server.receive('UPDATE', { dialog, cseq: 4 });
    expect(await refresh.responses.next()).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    session.onModify = () => Promise.resolve({ refuse: { status: 488 } });
    expect(await site.server.receive('INVITE', { dialog, body: 'x', cseq: 5 }).responses.next()).toMatchObject({
      status: 488,
    });
    session.onModify = () => Promise.reject(new Error('no'));
    expect(await site.server.receive('INVITE', { dialog, body: 'x', cseq: 6 }).responses.next()).toMatchObject({
      status: 500,
    });
    await hangUp(dialog, session);
  });

  it('gives a peer that asks for one an offer, and learns its answer', async () => {
    const { session, dialog } = await incoming();
    const answers = new Inbox<string>();
    session.onModify = () => Promise.resolve({ sdp: 'our offer', ack: (answer) => answers.put(answer) });
    const change = site.server.receive('INVITE', { dialog, cseq: 2 });
    expect((await change.responses.next()).body.toString()).toBe('our offer');
    site.server.receive('ACK', { dialog, body: 'their answer' });
    expect(await answers.next()).toBe('their answer');
    await hangUp(dialog, session);
  });

  it('answers 491 where two changes meet, and 500 where one is being decided', async () => {
    const { session, dialog } = await incoming();
    const changed = session.modify('ours');
    const ours = await site.server.sent.next();
    expect(await site.server.receive('INVITE', { dialog, body: 'theirs', cseq: 2 }).responses.next()).toMatchObject({
      status: 491,
    });
    ours.respond(200, { body: 'answer' });
    await changed;
    await site.server.sent.next();

    const { promise, resolve } = Promise.withResolvers<ModifyAnswer>();
    session.onModify = () => promise;
    const first = site.server.receive('INVITE', { dialog, body: 'a', cseq: 3 });
    const second = await site.server.receive('UPDATE', { dialog, body: 'b', cseq: 4 }).responses.next();
    expect(second.status).toBe(500);
    expect(second.headers.get('Retry-After')).toMatch(/^\d+$/);
    resolve({ sdp: 'c' });
    expect(await first.responses.next()).toMatchObject({ status: 200 });
    site.server.receive('ACK', { dialog });
    await hangUp(dialog, session);
  });

  it('tells the gateway of a change that is cancelled', async () => {
    const { session, dialog, call } = await incoming();
    const aborted = new Inbox<true>();
    session.onModify = (_offer, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.put(true);
          reject(new Error('cancelled'));
        });
      });
    const change = site.server.receive('INVITE', { dialog, alike: call, body: 'a', cseq: 2 });
    await site.caughtUp();
    site.server.receive('CANCEL', { alike: change, cseq: 2 });
    expect(await aborted.next()).toBe(true);
    await hangUp(dialog, session);
    expect(change.responses.size).toBe(0);
  });

  it('carries requests each way', async () => {
    const { session, dialog } = await incoming();
    const asked = session.request('INFO', {
      body: { type: 'application/dtmf-relay', content: Buffer.from('Signal=1') },
    });
    const info = await site.server.sent.next();
    expect(info).toMatchObject({ dialogId: dialog, request: { method: 'INFO' } });
    expect(info.request.headers.get('Content-Type')).toBe('application/dtmf-relay');
    info.respond(200);
    expect(await asked).toMatchObject({ status: 200, origin: 'peer' });

    const refer = { dialog, headers: [['Refer-To', '<sip:x@y.example>']] as const, cseq: 2 };
    expect(await site.server.receive('REFER', refer).responses.next()).toMatchObject({ status: 403 });
    const heard = new Inbox<InRequest>();
    session.onRequest = (request): Promise<Answer> => {
      heard.put(request);
      return Promise.resolve({ status: 202 });
    };
    expect(await site.server.receive('REFER', { ...refer, cseq: 3 }).responses.next()).toMatchObject({ status: 202 });
    expect(await heard.next()).toMatchObject({ method: 'REFER', session });
    expect(await site.server.receive('OPTIONS', { dialog, cseq: 4 }).responses.next()).toMatchObject({ status: 200 });
    expect(await site.server.receive('PUBLISH', { dialog, cseq: 5 }).responses.next()).toMatchObject({ status: 405 });
    await hangUp(dialog, session);
  });

  it('is over where the peer knows it no more', async () => {
    const { session } = await incoming();
    const asked = session.request('INFO', {});
    (await site.server.sent.next()).respond(481);
    await asked;
    expect(await session.ended).toMatchObject({ by: 'peer' });
    expect(await session.request('INFO', {})).toMatchObject({ status: 481, origin: 'unsent' });
    expect(await session.modify('x')).toMatchObject({ reply: { status: 481 } });
  });

  it('is unknown to whoever is not its peer', async () => {
    const { session, dialog } = await incoming();
    const peer = { address: '198.51.100.9', protocol: 'tls' };
    expect(await site.server.receive('BYE', { dialog, peer }).responses.next()).toMatchObject({ status: 481 });
    const pbx = { address: '127.0.0.1', protocol: 'tcp' };
    expect(await site.server.receive('BYE', { dialog, peer: pbx }).responses.next()).toMatchObject({ status: 481 });
    await hangUp(dialog, session);
  });

  it('is ended by the close of the stack', async () => {
    const { session } = await incoming();
    const closed = site.stack.close();
    expect((await site.server.sent.next()).request.method).toBe('BYE');
    await closed;
    expect(await session.ended).toMatchObject({ by: 'us' });
  });
});

it('there are no more calls than may be', async () => {
  await site.close();
  site = await Site.start({ clock, limits: { calls: 1 } });
  const first = site.server.receive('INVITE', { body: 'offer' });
  const call = await site.calls.next();
  const second = await site.server.receive('INVITE', { body: 'offer' }).responses.next();
  expect(second.status).toBe(503);
  expect(second.headers.get('Retry-After')).toBe('10');
  expect(await site.trunk.invite({ ...invite, offer: 'x' }).result).toMatchObject({
    reply: { status: 503, origin: 'unsent' },
  });
  call.refuse({ status: 480 });
  await first.responses.next();
});

it('a listener that throws takes no other call with it', async () => {
  const { session } = await outgoing();
  const call = site.trunk.invite({ ...invite, offer: 'offer' });
  call.onProgress = () => {
    throw new Error('no');
  };
  const sent = await site.server.sent.next();
  sent.respond(180);
  sent.respond(486);
  expect(await call.result).toMatchObject({ reply: { status: 486 } });
  expect(site.refusals).toMatchObject([{ reason: 'internal', fields: { detail: 'Error: no' } }]);
  await hangUp('d1', session);
  expect(site.server.connections).toBe(1);
});
