import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Progress, SessionEnd } from '../port.ts';
import { offer, Pair, reply, sessionOf } from './testing/agents.ts';

let pair: Pair;
beforeEach(() => {
  pair = new Pair();
});
afterEach(() => pair.nothingLeft());

describe('a call that is answered', () => {
  it('is set up, and ended by the caller', async () => {
    const out = pair.a.invite();
    await pair.run();
    expect(pair.b.call.offer).toBe(offer);
    expect(pair.b.call.from).toEqual({ uri: 'sip:alice@a.example', display: 'Alice' });
    expect(pair.b.call.hops).toBe(70);
    pair.b.call.ring({ status: 180 });
    await pair.run();
    const answered = pair.b.call.answer(reply);
    await pair.run();
    const result = await out.result;
    expect(result).toMatchObject({ ok: true, sdp: reply });
    const there = await answered;
    expect(pair.wire.take()).toEqual(['a INVITE', 'b 180 INVITE', 'b 200 INVITE', 'a ACK']);
    const end = sessionOf(result).end('Q.850;cause=16');
    await pair.run();
    await end;
    expect(await there.ended).toEqual<SessionEnd>({ by: 'peer', reason: 'Q.850;cause=16' });
    expect(await sessionOf(result).ended).toEqual<SessionEnd>({ by: 'us', reason: 'Q.850;cause=16' });
    expect(pair.wire.take()).toEqual(['a BYE', 'b 200 BYE']);
  });

  it('is ended by who was called', async () => {
    const { a, b } = await pair.talk();
    void b.end();
    await pair.run();
    expect(await a.ended).toEqual({ by: 'peer', reason: undefined });
  });

  it('shows early media and what rings', async () => {
    const seen: Progress[] = [];
    const out = pair.a.invite();
    out.onProgress = (progress) => void seen.push(progress);
    await pair.run();
    pair.b.call.ring({ status: 180, headers: [['Alert-Info', '<urn:alert:tone>']] });
    pair.b.call.ring({ status: 183, sdp: reply });
    await pair.run();
    expect(seen.map(({ status, sdp }) => [status, sdp])).toEqual([
      [180, undefined],
      [183, reply],
    ]);
    expect(seen[0]?.headers.get('Alert-Info')).toBe('<urn:alert:tone>');
    expect(seen[0]?.fork).toBe(seen[1]?.fork);
    void pair.b.call.answer(reply);
    await pair.run();
    void sessionOf(await out.result).end();
  });

  it('without an offer gets one in the 2xx, and answers in the ACK', async () => {
    const out = pair.a.invite({ offer: undefined });
    await pair.run();
    expect(pair.b.call.offer).toBeUndefined();
    const answered = pair.b.call.answerWithOffer(offer);
    await pair.run();
    const result = await out.result;
    expect(result).toMatchObject({ ok: true, sdp: offer });
    expect(pair.wire.take()).toEqual(['a INVITE', 'b 200 INVITE']);
    if (result.ok) result.ack?.(reply);
    await pair.run();
    const { session, sdp } = await answered;
    expect(sdp).toBe(reply);
    void session.end();
    await pair.run();
    expect(await sessionOf(result).ended).toMatchObject({ by: 'peer' });
  });

  it('shows no more of us than our Contact', async () => {
    const { a } = await pair.talk();
    const { headers } = pair.wire.last('b', '200 INVITE');
    expect(headers.get('Contact')).toBe('<sip:gateway@b.example;transport=tls>');
    expect(headers.get('Allow')).toContain('INVITE');
    expect(pair.wire.last('a', 'INVITE').callId).toMatch(/^[0-9a-f]{32}$/);
    void a.end();
  });
});

describe('a call that is not answered', () => {
  it.each([
    [{ status: 486 }, 'Busy Here'],
    [{ status: 603, reason: 'No' }, 'No'],
    [{ status: 302, headers: [['Contact', '<sip:x@y.example>']] as const }, 'Moved Temporarily'],
  ])('brings back %j as it is', async (answer, reason) => {
    const out = pair.a.invite();
    await pair.run();
    pair.b.call.ring({ status: 180 });
    pair.b.call.refuse(answer);
    await pair.run();
    expect(await out.result).toMatchObject({ ok: false, reply: { status: answer.status, reason, origin: 'peer' } });
    expect(pair.wire.last('b', `${answer.status} INVITE`).to.params.has('tag')).toBe(true);
  });

  it.each([
    ['by the caller', { setupMs: 100_000 }, {}, { status: 408, origin: 'timeout' }],
    ['by who is called', {}, { setupMs: 100_000 }, { status: 480, origin: 'peer' }],
  ])('is given up %s after its time', async (_who, ofA, ofB, given) => {
    const impatient = new Pair(ofA, ofB);
    const out = impatient.a.invite();
    await impatient.run();
    impatient.b.call.ring({ status: 180 });
    await impatient.run(100_100);
    expect(await out.result).toMatchObject({ ok: false, reply: given });
    expect(impatient.b.call.cancelled.aborted).toBe(true);
    await impatient.nothingLeft();
  });

  it('rings once a minute for the proxies on the way', async () => {
    const abort = new AbortController();
    pair.a.invite({ signal: abort.signal });
    await pair.run();
    pair.b.call.ring({ status: 180 });
    await pair.run(130_000);
    expect(pair.wire.take().filter((what) => what === 'b 180 INVITE')).toHaveLength(3);
    abort.abort();
  });

  it('fails where the peer never says a word', async () => {
    pair.wire.fate = () => 'drop';
    const out = pair.a.invite();
    await pair.run(33_000);
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 408, origin: 'timeout' } });
  });

  it('tells both sides where the connection is lost', async () => {
    const out = pair.a.invite();
    await pair.run();
    pair.b.call.ring({ status: 180 });
    await pair.run();
    pair.wire.cut();
    await pair.run();
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 503, origin: 'transport' } });
    expect(pair.b.call.cancelled.aborted).toBe(true);
  });

  it('is not acknowledged by whoever is refused, or is of another trunk', async () => {
    const out = pair.a.invite();
    await pair.run();
    pair.b.refuses = { status: 403 };
    const answered = pair.b.call.answer(reply);
    await pair.run();
    pair.wire.take();
    pair.b.refuses = undefined;
    await pair.run(500);
    expect(pair.wire.take()).toEqual(['b 200 INVITE', 'a ACK']);
    await answered;
    void sessionOf(await out.result).end();
  });

  it('cannot be sent where a header would break the message', async () => {
    const out = pair.a.invite({ headers: [['Subject', 'a\r\nVia: x']] });
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 400, origin: 'unsent' } });
  });

  it('is a 500 where the answer would break the message', async () => {
    const out = pair.a.invite();
    await pair.run();
    await expect(pair.b.call.answer(reply, [['Subject', 'a\nb']])).rejects.toMatchObject({ code: 'sip-unsendable' });
    await pair.run();
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 500 } });
  });

  it('is turned away past the bound of calls', async () => {
    const few = new Pair({ calls: 1 });
    const talk = await few.talk();
    expect(await few.a.invite().result).toMatchObject({ ok: false, reply: { status: 503, origin: 'unsent' } });
    void talk.a.end();
    await few.nothingLeft();
  });
});

describe('a call that is cancelled', () => {
  /** At each moment, what the callee has done before the word to cancel is given. */
  const moments: readonly (readonly [string, (pair: Pair) => Promise<void> | void])[] = [
    ['before anything is written', () => undefined],
    ['while the INVITE is on its way', (pair) => pair.run(0)],
    ['before any response', (pair) => pair.run(5)],
    ['behind the 100', (pair) => pair.run(300)],
    [
      'while it rings',
      async (pair) => {
        await pair.run();
        pair.b.call.ring({ status: 180 });
        await pair.run();
      },
    ],
    [
      'behind early media',
      async (pair) => {
        await pair.run();
        pair.b.call.ring({ status: 183, sdp: reply });
        await pair.run();
      },
    ],
  ];
  it.each(moments)('%s', async (_moment, before) => {
    const abort = new AbortController();
    const out = pair.a.invite({ signal: abort.signal });
    await before(pair);
    abort.abort();
    await pair.run(500);
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 487 } });
    expect(pair.b.call.cancelled.aborted).toBe(true);
    await expect(pair.b.call.answer(reply)).rejects.toMatchObject({ code: 'call-over' });
    expect(pair.wire.take()).toContain('a CANCEL');
  });

  it('before it begins is never sent', async () => {
    const out = pair.a.invite({ signal: AbortSignal.abort() });
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 487, origin: 'unsent' } });
    expect(pair.wire.take()).toEqual([]);
  });

  it('as it is answered gets ACK and BYE', async () => {
    const abort = new AbortController();
    const out = pair.a.invite({ signal: abort.signal });
    await pair.run();
    pair.b.call.ring({ status: 180 });
    await pair.run();
    const answered = pair.b.call.answer(reply);
    abort.abort();
    await pair.run();
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 487 } });
    expect(await (await answered).ended).toMatchObject({ by: 'peer' });
    expect(pair.wire.take().slice(2)).toEqual([
      'b 200 INVITE',
      'a CANCEL',
      'a ACK',
      'a BYE',
      'b 200 CANCEL',
      'b 200 BYE',
    ]);
  });

  it('changes nothing once it is answered', async () => {
    const abort = new AbortController();
    const { a } = await pair.talk({ signal: abort.signal });
    abort.abort();
    await pair.run();
    expect(pair.b.call.cancelled.aborted).toBe(false);
    void a.end();
  });
});

describe('the 2xx', () => {
  it('is sent again until the ACK is in', async () => {
    let lost = 0;
    pair.wire.fate = ({ what }) => (what === 'ACK' && lost++ < 2 ? 'drop' : 1);
    const out = pair.a.invite();
    await pair.run();
    const answered = pair.b.call.answer(reply);
    await pair.run(2_000);
    expect(pair.wire.take()).toEqual(['a INVITE', ...Array(3).fill(['b 200 INVITE', 'a ACK']).flat()]);
    void (await answered).end();
    await pair.run();
    expect(await sessionOf(await out.result).ended).toMatchObject({ by: 'peer' });
  });

  it('that is never acknowledged ends in BYE after 64*T1', async () => {
    pair.wire.fate = ({ what }) => (what === 'ACK' ? 'drop' : 1);
    const out = pair.a.invite();
    await pair.run();
    const answered = pair.b.call.answer(reply);
    const failed = expect(answered).rejects.toMatchObject({ code: 'call-unacknowledged' });
    await pair.run(32_100);
    await failed;
    const times = pair.wire.record.filter(({ what }) => what === '200 INVITE').map(({ at }) => at - 20);
    expect(times).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    expect(await sessionOf(await out.result).ended).toMatchObject({ by: 'peer' });
    expect(pair.wire.take().slice(-2)).toEqual(['b BYE', 'a 200 BYE']);
  });

  it('is waited for by our BYE until its ACK is in', async () => {
    pair.wire.fate = ({ what }) => (what === 'ACK' ? 300 : 1);
    const out = pair.a.invite();
    await pair.run();
    const answered = pair.b.call.answer(reply);
    await pair.run();
    void pair.b.call.session?.end();
    await pair.run(100);
    expect(pair.wire.take()).toEqual(['a INVITE', 'b 200 INVITE', 'a ACK']);
    await pair.run(300);
    expect(pair.wire.take()).toEqual(['b BYE', 'a 200 BYE']);
    expect(await (await answered).ended).toMatchObject({ by: 'us' });
    expect(await sessionOf(await out.result).ended).toMatchObject({ by: 'peer' });
  });

  it('may be overtaken by the BYE of the caller before its ACK', async () => {
    pair.wire.fate = ({ what }) => (what === 'ACK' ? 300 : 1);
    const out = pair.a.invite();
    await pair.run();
    const answered = pair.b.call.answer(reply);
    const failed = expect(answered).rejects.toMatchObject({ code: 'call-over' });
    await pair.run();
    void sessionOf(await out.result).end();
    await pair.run(400);
    await failed;
  });
});
