import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExtraHeaders, ModifyAnswer } from '../port.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { offer, otherOffer, otherReply, Pair, reply } from './testing/agents.ts';
import { Script } from './testing/script.ts';

describe('a caller that is wrong, or early, or late', () => {
  let peer: Script;
  let cseq = 0;
  beforeEach(() => {
    peer = new Script(new FakeClock());
    cseq = 0;
  });
  afterEach(async () => {
    peer.a.agent.close();
    await peer.run(70_000);
    expect(peer.a.agent.load).toEqual({ calls: 0, dialogs: 0, pending: 0 });
    expect(peer.a.transactions.load).toEqual({ client: 0, server: 0 });
    expect(peer.clock.pending).toBe(0);
  });

  /** A request of the caller; within the dialog where it has one. */
  const send = async (method: string, sdp?: string, headers: ExtraHeaders = []): Promise<void> => {
    const invited = peer.received.findLast(
      (message) => message.kind === 'response' && message.cseq.method === 'INVITE',
    );
    if (method !== 'ACK') cseq += 1;
    const to = method === 'INVITE' && cseq === 1 ? '<sip:alice@a.example>' : (invited?.headers.get('To') ?? '');
    const all: ExtraHeaders = [
      ['From', '<sip:bob@b.example>;tag=bob'],
      ['To', to],
      ['Call-ID', 'one'],
      ['CSeq', `${cseq} ${method}`],
      ['Contact', '<sip:bob@b.example>'],
      ['Max-Forwards', '70'],
      ...headers,
    ];
    await peer.send(method, 'sip:gateway@a.example', all, sdp);
  };

  it('may end the early dialog by BYE', async () => {
    await send('INVITE', offer);
    peer.a.call.ring({ status: 180 });
    await peer.run();
    await send('BYE');
    expect(peer.take()).toEqual(['180 INVITE', '200 BYE', '487 INVITE']);
    expect(peer.a.call.cancelled.aborted).toBe(true);
  });

  it('may refresh the early dialog by UPDATE, which starts no timer', async () => {
    await send('INVITE', offer);
    peer.a.call.ring({ status: 180 });
    await peer.run();
    await send('UPDATE', undefined, [['Supported', 'timer']]);
    expect(peer.response('UPDATE').status).toBe(200);
    expect(peer.response('UPDATE').headers.has('Session-Expires')).toBe(false);
  });

  it('gets 500 with Retry-After for an offer before the first is answered', async () => {
    await send('INVITE', offer);
    peer.a.call.ring({ status: 180 });
    await peer.run();
    for (const method of ['UPDATE', 'INVITE']) {
      await send(method, otherOffer);
      const response = peer.received.findLast((message) => message.kind === 'response' && message.cseq.number === cseq);
      expect(response).toMatchObject({ status: 500 });
      expect(response?.headers.has('Retry-After')).toBe(true);
    }
  });

  it('gets 491 for a re-INVITE before the ACK', async () => {
    await send('INVITE', offer);
    const answered = expect(peer.a.call.answer(reply)).rejects.toMatchObject({ code: 'call-over' });
    await peer.run();
    await send('INVITE', otherOffer);
    expect(peer.response('INVITE').status).toBe(491);
    peer.received.splice(-1);
    await send('BYE');
    await answered;
  });

  it('owes an answer in the ACK where the 2xx had the offer', async () => {
    await send('INVITE');
    const answered = expect(peer.a.call.answerWithOffer(offer)).rejects.toMatchObject({ code: 'call-unacknowledged' });
    await peer.run();
    await send('ACK');
    await answered;
    expect(peer.request('BYE').headers.get('Reason')).toContain('No answer');
  });

  it('is acknowledged only by the ACK of its own INVITE', async () => {
    await send('INVITE', offer);
    const answered = peer.a.call.answer(reply);
    await peer.run();
    cseq = 7;
    await send('ACK');
    await peer.run(600);
    expect(peer.take()).toEqual(['200 INVITE', '200 INVITE']);
    cseq = 1;
    await peer.run(2_000);
    await send('ACK');
    expect(await answered).toBe(peer.a.call.session);
  });

  it('finds its dialog only on its own trunk', async () => {
    await send('INVITE', offer);
    const answered = peer.a.call.answer(reply);
    await peer.run();
    await send('ACK');
    const session = await answered;
    Object.assign(session, { trunk: { ...session.trunk, id: 'another' } });
    await send('INFO');
    expect(peer.response('INFO').status).toBe(481);
  });
});

describe('a flow that is lost', () => {
  let pair: Pair;
  beforeEach(() => {
    pair = new Pair();
  });
  afterEach(() => pair.nothingLeft());

  it.each([false, true])('in a re-INVITE leaves the session as it was (2xx on another: %s)', async (reconnects) => {
    const { a, b } = await pair.talk();
    pair.b.reconnects = reconnects;
    const { promise, resolve } = Promise.withResolvers<ModifyAnswer>();
    b.onModify = () => promise;
    const modified = a.modify(otherOffer);
    await pair.run();
    pair.wire.cut();
    await pair.run();
    expect(await modified).toMatchObject({ reply: { status: 503, origin: 'transport' } });
    pair.wire.take();
    resolve({ sdp: otherReply });
    await pair.run();
    expect(pair.wire.take()).toEqual(reconnects ? ['b 200 INVITE', 'a ACK'] : []);
    const again = a.modify(otherOffer);
    await pair.run();
    expect(await again).toEqual({ sdp: otherReply });
    void a.end();
  });

  it('with the ACK on it does no harm: the 2xx comes again on another, and so does the ACK', async () => {
    const out = pair.a.invite();
    await pair.run();
    const answered = pair.b.call.answer(reply);
    await pair.run(1);
    pair.b.reconnects = true;
    expect(pair.wire.take()).toEqual(['a INVITE', 'b 200 INVITE', 'a ACK']);
    pair.wire.cut();
    await pair.run(1_000);
    expect(pair.wire.take()).toEqual(['b 200 INVITE', 'a ACK']);
    void (await answered).end();
    expect(await out.result).toMatchObject({ ok: true });
  });

  it('with the BYE on it has it sent again', async () => {
    const { a, b } = await pair.talk();
    pair.wire.take();
    const end = a.end();
    pair.wire.cut();
    await pair.run();
    await end;
    expect(pair.wire.take()).toEqual(['a BYE', 'a BYE', 'b 200 BYE']);
    expect(await b.ended).toMatchObject({ by: 'peer' });
  });
});

describe('whatever is delayed, overtaken or dropped', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.nat(40) },
    { weight: 4, arbitrary: fc.nat(3_000) },
    { weight: 1, arbitrary: fc.constant('drop' as const) },
  );
  const actions = fc.array(
    fc.record({
      who: fc.constantFrom('a', 'b'),
      what: fc.constantFrom('offer', 'ask', 'info', 'cut', 'end'),
      after: fc.nat(1_500),
    }),
    { maxLength: 8 },
  );

  it('both sides come to an end, and nothing is left behind', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 40 }),
        actions,
        fc.boolean(),
        async (fates, acts, late) => {
          const pair = new Pair();
          let carried = 0;
          pair.wire.fate = () => fates[carried++ % fates.length] ?? 1;
          const abort = new AbortController();
          const out = pair.a.invite({ offer: late ? undefined : offer, signal: abort.signal });
          await pair.run(4_000);
          const call = pair.b.calls[0];
          call?.ring({ status: 183, sdp: reply });
          const answered = late ? call?.answerWithOffer(offer) : call?.answer(reply);
          answered?.catch(() => undefined);
          await pair.run(100);
          const result = await Promise.race([out.result, undefined]);
          if (result?.ok) {
            result.ack?.(reply);
            result.session.onModify = async () => ({ sdp: otherReply });
          }
          const there = call?.session;
          if (there !== undefined) there.onModify = async () => ({ sdp: otherReply });
          for (const { who, what, after } of acts) {
            const session = who === 'a' ? result?.ok && result.session : there;
            if (session) {
              if (what === 'offer') void session.modify(otherOffer);
              if (what === 'ask') void session.modify(undefined).then((got) => 'sdp' in got && got.ack?.(otherReply));
              if (what === 'info') void session.request('INFO', {});
              if (what === 'end') void session.end();
            }
            if (what === 'cut') pair.wire.cut();
            await pair.run(after);
          }
          abort.abort();
          await pair.run(100_000);
          const settled = await out.result;
          if (settled.ok) void settled.session.end();
          void there?.end();
          await pair.run(300_000);
          await pair.nothingLeft();
        },
      ),
      { numRuns: 150 },
    );
  });
});
