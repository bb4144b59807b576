import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InRequest, ModifyAnswer, Session } from '../port.ts';
import { offer, otherOffer, otherReply, Pair } from './testing/agents.ts';

let pair: Pair;
let a: Session;
let b: Session;
beforeEach(async () => {
  pair = new Pair();
  ({ a, b } = await pair.talk());
  pair.wire.take();
});
afterEach(async () => {
  void a.end();
  await pair.nothingLeft();
});

const takes = async (): Promise<ModifyAnswer> => ({ sdp: otherReply });

describe('a change of the session', () => {
  it.each(['a', 'b'] as const)('is asked for by re-INVITE, from %s', async (from) => {
    const [here, there] = from === 'a' ? [a, b] : [b, a];
    const offers: (string | undefined)[] = [];
    there.onModify = (offered) => {
      offers.push(offered);
      return takes();
    };
    const modified = here.modify(otherOffer);
    await pair.run();
    expect(await modified).toEqual({ sdp: otherReply });
    expect(offers).toEqual([otherOffer]);
    const to = from === 'a' ? 'b' : 'a';
    expect(pair.wire.take()).toEqual([`${from} INVITE`, `${to} 200 INVITE`, `${from} ACK`]);
  });

  it('without an offer gets one, and answers it in the ACK', async () => {
    const answers: string[] = [];
    b.onModify = async (offered) => ({
      sdp: offered === undefined ? otherOffer : '',
      ack: (answer) => void answers.push(answer),
    });
    const modified = a.modify(undefined);
    await pair.run();
    const result = await modified;
    expect(result).toMatchObject({ sdp: otherOffer });
    expect(answers).toEqual([]);
    if ('sdp' in result) result.ack?.(otherReply);
    await pair.run();
    expect(answers).toEqual([otherReply]);
  });

  it('that is refused leaves the session as it was', async () => {
    b.onModify = async () => ({ refuse: { status: 488 } });
    const modified = a.modify(otherOffer);
    await pair.run();
    expect(await modified).toMatchObject({ reply: { status: 488, origin: 'peer' } });
    b.onModify = takes;
    const again = a.modify(otherOffer);
    await pair.run();
    expect(await again).toEqual({ sdp: otherReply });
  });

  it('is refused where nobody listens, and where the listener fails', async () => {
    const first = a.modify(otherOffer);
    await pair.run();
    expect(await first).toMatchObject({ reply: { status: 488 } });
    b.onModify = async () => {
      throw new Error('broken');
    };
    const second = a.modify(otherOffer);
    await pair.run();
    expect(await second).toMatchObject({ reply: { status: 500 } });
  });

  it.each([
    ['the owner of the Call-ID waits longer', 0.5, 3_050, 1_000],
    ['and never longer than 4 s and 2 s', 0.999_999, 4_000, 2_000],
    ['and never shorter than 2.1 s and 0 s', 0, 2_100, 0],
  ])('that meets one of the peer comes again: %s', async (_rule, fraction, ofA, ofB) => {
    pair.a.random.next = fraction;
    pair.b.random.next = fraction;
    a.onModify = takes;
    b.onModify = takes;
    const start = pair.clock.now();
    const both = Promise.all([a.modify(otherOffer), b.modify(offer)]);
    await pair.run(10_000);
    expect(await both).toEqual([{ sdp: otherReply }, { sdp: otherReply }]);
    expect(pair.wire.record.filter(({ what }) => what === '491 INVITE')).toHaveLength(2);
    const invites = pair.wire.record.filter(({ what }) => what === 'INVITE').slice(2);
    expect(invites.map(({ from, at }) => [from, at - start - 2])).toEqual([
      ['b', ofB],
      ['a', ofA],
    ]);
  });

  it('waits its turn while one of the peer is decided', async () => {
    const { promise, resolve } = Promise.withResolvers<ModifyAnswer>();
    b.onModify = () => promise;
    a.onModify = takes;
    const first = a.modify(otherOffer);
    await pair.run();
    const second = b.modify(offer);
    await pair.run();
    resolve({ sdp: otherReply });
    await pair.run(5_000);
    expect(await first).toEqual({ sdp: otherReply });
    expect(await second).toEqual({ sdp: otherReply });
    expect(pair.wire.take()).not.toContain('a 491 INVITE');
  });

  it('that overlaps another is a 500 with Retry-After', async () => {
    b.onModify = () => new Promise(() => undefined);
    void a.modify(otherOffer);
    await pair.run();
    // A peer that breaks the rule: the same INVITE once more, as a transaction of its own.
    const invite = pair.wire.last('a', 'INVITE');
    if (invite.kind !== 'request') throw new Error('No request.');
    const statuses: number[] = [];
    invite.headers.delete('Via').set('CSeq', `${invite.cseq.number + 1} INVITE`);
    pair.a.transactions.request(pair.wire.flow('a'), invite, {
      provisional: () => undefined,
      final: (response) => {
        statuses.push(response.status, Number(response.headers.get('Retry-After')));
      },
      failed: () => undefined,
    });
    await pair.run();
    expect(statuses).toEqual([500, 5]);
  });

  it('ends the session where its 200 is never acknowledged', async () => {
    b.onModify = takes;
    pair.wire.fate = ({ what }) => (what === 'ACK' ? 'drop' : 1);
    void a.modify(otherOffer);
    await pair.run(33_000);
    expect(await b.ended).toMatchObject({ by: 'timeout' });
    expect(await a.ended).toMatchObject({ by: 'peer' });
  });

  it('ends the session where the peer knows nothing of it any more', async () => {
    pair.b.refuses = { status: 481 };
    const modified = a.modify(otherOffer);
    await pair.run();
    expect(await modified).toMatchObject({ reply: { status: 481 } });
    expect(await a.ended).toMatchObject({ by: 'peer' });
    expect(pair.wire.take()).not.toContain('a BYE');
    pair.b.refuses = undefined;
    void b.end();
  });

  it('ends the session where no response comes at all', async () => {
    pair.wire.fate = ({ what }) => (what === 'INVITE' ? 'drop' : 1);
    const modified = a.modify(otherOffer);
    await pair.run(33_000);
    expect(await modified).toMatchObject({ reply: { status: 408, origin: 'timeout' } });
    expect(await a.ended).toMatchObject({ by: 'timeout' });
    expect(await b.ended).toMatchObject({ by: 'peer' });
  });

  it('that the peer leaves undecided is cancelled after its time, and the session goes on', async () => {
    const signals: AbortSignal[] = [];
    b.onModify = (_offer, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const modified = a.modify(otherOffer);
    await pair.run(200_100);
    expect(await modified).toMatchObject({ reply: { status: 487 } });
    expect(signals[0]?.aborted).toBe(true);
    expect(pair.wire.take()).toEqual(['a INVITE', 'b 100 INVITE', 'a CANCEL', 'b 200 CANCEL', 'b 487 INVITE', 'a ACK']);
    b.onModify = takes;
    const again = a.modify(otherOffer);
    await pair.run();
    expect(await again).toEqual({ sdp: otherReply });
  });

  it('moves the target to the new Contact', async () => {
    b.onModify = takes;
    Object.assign(pair.a.outbound, { contact: () => 'sip:elsewhere@a.example' });
    void a.modify(otherOffer);
    await pair.run();
    const reply = b.request('INFO', {});
    await pair.run();
    expect(await reply).toMatchObject({ status: 405 });
    expect(pair.wire.last('b', 'INFO')).toMatchObject({ uri: 'sip:elsewhere@a.example' });
  });
});

describe('requests within the dialog', () => {
  it.each(['INFO', 'MESSAGE', 'REFER', 'NOTIFY'])('%s is answered by the gateway, both ways', async (method) => {
    for (const [here, there] of [
      [a, b],
      [b, a],
    ] as const) {
      const requests: InRequest[] = [];
      there.onRequest = async (request) => {
        requests.push(request);
        return { status: 202, headers: [['X-Seen', 'yes']], body: { type: 'text/plain', content: Buffer.from('b') } };
      };
      const body = { type: 'text/plain', content: Buffer.from('hello') };
      const asked = here.request(method, { headers: [['X-Note', 'n']], body });
      await pair.run();
      const answered = await asked;
      expect(answered).toMatchObject({ status: 202, origin: 'peer' });
      expect(answered.headers.get('X-Seen')).toBe('yes');
      expect(answered.body?.content.toString()).toBe('b');
      expect(requests[0]).toMatchObject({ method, session: there, body: { type: 'text/plain' } });
      expect(requests[0]?.headers.get('X-Note')).toBe('n');
    }
    expect(pair.wire.last('a', method).headers.has('Contact')).toBe(method !== 'MESSAGE');
    expect(pair.wire.last('b', `202 ${method}`).headers.has('Contact')).toBe(false);
  });

  it.each([
    ['REFER', 403],
    ['INFO', 405],
    ['MESSAGE', 405],
    ['NOTIFY', 405],
    ['OPTIONS', 200],
    ['PUBLISH', 405],
    ['FROBNICATE', 405],
    ['PRACK', 481],
  ])('%s is answered %i by default', async (method, status) => {
    const asked = a.request(method, {});
    await pair.run();
    expect(await asked).toMatchObject({ status });
    if (status === 481) void b.end();
  });

  it('are refused past the bound of those that wait', async () => {
    b.onRequest = () => new Promise(() => undefined);
    const waiting = Array.from({ length: 9 }, () => a.request('INFO', {}));
    expect(await waiting.at(-1)).toMatchObject({ status: 503, origin: 'unsent' });
    void a.end();
    await pair.run(33_000);
    expect(await waiting[0]).toMatchObject({ status: 408 });
  });

  it.each([
    ['Require', 'foo', 420],
    ['Content-Encoding', 'gzip', 415],
  ])('with a strange %s are refused', async (name, value, status) => {
    const asked = a.request('INFO', { headers: [[name, value]] });
    await pair.run();
    expect(await asked).toMatchObject({ status });
  });

  it('with a number below the last one are out of order', async () => {
    const early = a.request('INFO', {});
    await pair.run();
    await early;
    const info = pair.wire.last('a', 'INFO');
    if (info.kind !== 'request') throw new Error('No request.');
    const statuses: number[] = [];
    info.headers.delete('Via').set('CSeq', '1 INFO');
    pair.a.transactions.request(pair.wire.flow('a'), info, {
      provisional: () => undefined,
      final: ({ status }) => void statuses.push(status),
      failed: () => undefined,
    });
    await pair.run();
    expect(statuses).toEqual([500]);
  });

  it('after the end are not sent', async () => {
    void a.end();
    expect(await a.request('INFO', {})).toMatchObject({ status: 481, origin: 'unsent' });
    expect(await a.modify(otherOffer)).toMatchObject({ reply: { status: 481, origin: 'unsent' } });
  });
});

describe('the end of a session', () => {
  it('is reached where BYE crosses BYE', async () => {
    const ends = Promise.all([a.end(), b.end()]);
    await pair.run();
    await ends;
    expect(pair.wire.take()).toEqual(['a BYE', 'b BYE', 'b 200 BYE', 'a 200 BYE']);
    expect([await a.ended, await b.ended]).toEqual([{ by: 'us' }, { by: 'us' }]);
  });

  it('aborts what is being decided, with 487', async () => {
    const signals: AbortSignal[] = [];
    b.onModify = (_offer, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const modified = a.modify(otherOffer);
    await pair.run();
    void a.end();
    await pair.run();
    expect(await modified).toMatchObject({ reply: { status: 487 } });
    expect(signals[0]?.aborted).toBe(true);
  });

  it('comes only once', async () => {
    const [first, second] = [a.end('SIP;cause=200'), a.end()];
    await pair.run();
    await Promise.all([first, second]);
    expect(pair.wire.take()).toEqual(['a BYE', 'b 200 BYE']);
  });

  it('goes over a new flow where the old one is lost', async () => {
    pair.wire.cut();
    await pair.run(1_000);
    const asked = b.request('INFO', {});
    await pair.run();
    expect(await asked).toMatchObject({ status: 405 });
    const end = a.end();
    await pair.run();
    await end;
    expect(await b.ended).toMatchObject({ by: 'peer' });
  });

  it('is told though no answer comes', async () => {
    pair.wire.fate = () => 'drop';
    const end = a.end();
    await pair.run(33_000);
    await end;
    expect(await a.ended).toEqual({ by: 'us', reason: undefined });
    pair.wire.fate = () => 1;
    void b.end();
  });

  it('comes for all calls with that of the user agent', async () => {
    const ringing = pair.a.invite();
    await pair.run();
    pair.b.agent.close();
    pair.a.agent.close();
    await pair.run();
    expect(await ringing.result).toMatchObject({ ok: false, reply: { status: 503 } });
    expect(pair.a.agent.load).toEqual({ calls: 0, dialogs: 0, pending: 0 });
  });
});
