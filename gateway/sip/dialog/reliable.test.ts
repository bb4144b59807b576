import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SipRequest } from '../message/message.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { offer, otherOffer, otherReply, Pair, reply, sessionOf } from './testing/agents.ts';
import { Script } from './testing/script.ts';

const reliably = { headers: [['Require', '100rel']] } as const;

describe('a caller that demands reliable provisional responses', () => {
  let pair: Pair;
  beforeEach(() => {
    pair = new Pair();
  });
  afterEach(() => pair.nothingLeft());

  it('gets them, one after the other', async () => {
    const out = pair.a.invite(reliably);
    await pair.run();
    pair.b.call.ring({ status: 180 });
    pair.b.call.ring({ status: 183, sdp: reply });
    await pair.run();
    expect(pair.wire.take()).toEqual([
      'a INVITE',
      'b 180 INVITE',
      'a PRACK',
      'b 200 PRACK',
      'b 183 INVITE',
      'a PRACK',
      'b 200 PRACK',
    ]);
    void pair.b.call.answer(reply);
    await pair.run();
    const result = await out.result;
    expect(result).toMatchObject({ ok: true, sdp: reply });
    expect(pair.wire.last('b', '200 INVITE').body).toHaveLength(0);
    void sessionOf(result).end();
  });

  it('has its answer only once a description is acknowledged', async () => {
    pair.wire.fate = ({ what }) => (what === 'PRACK' ? 300 : 1);
    const out = pair.a.invite(reliably);
    await pair.run();
    pair.b.call.ring({ status: 183, sdp: reply });
    const answered = pair.b.call.answer(reply);
    await pair.run(100);
    expect(pair.wire.take()).not.toContain('b 200 INVITE');
    await pair.run(300);
    expect(pair.wire.take()).toContain('b 200 INVITE');
    void (await answered).end();
    expect(await out.result).toMatchObject({ ok: true });
  });

  it('may cancel while its acknowledgement is waited for', async () => {
    pair.wire.fate = ({ what }) => (what === 'PRACK' ? 'drop' : 1);
    const abort = new AbortController();
    const out = pair.a.invite({ ...reliably, signal: abort.signal });
    await pair.run();
    pair.b.call.ring({ status: 183, sdp: reply });
    const answered = expect(pair.b.call.answer(reply)).rejects.toMatchObject({ code: 'call-over' });
    await pair.run();
    abort.abort();
    await pair.run();
    await answered;
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 487 } });
  });

  it('changes the early session by UPDATE, both ways', async () => {
    const out = pair.a.invite(reliably);
    const sessions: unknown[] = [];
    out.onProgress = (progress) => void sessions.push(Reflect.get(progress, 'session'));
    await pair.run();
    pair.b.call.ring({ status: 183, sdp: reply });
    await pair.run();
    const here = sessions[0] as Awaited<ReturnType<Pair['talk']>>['a'];
    const there = pair.b.call.session;
    if (there === undefined) throw new Error('No early session.');
    here.onModify = async () => ({ sdp: otherReply });
    there.onModify = async () => ({ sdp: otherReply });
    pair.wire.take();
    const first = here.modify(otherOffer);
    await pair.run();
    const second = there.modify(offer);
    await pair.run();
    expect([await first, await second]).toEqual([{ sdp: otherReply }, { sdp: otherReply }]);
    expect(pair.wire.take()).toEqual(['a UPDATE', 'b 200 UPDATE', 'b UPDATE', 'a 200 UPDATE']);
    void pair.b.call.answer(reply);
    await pair.run();
    const session = sessionOf(await out.result);
    expect(session).toBe(here);
    void session.end();
  });

  it('gets 500 for an UPDATE while its first offer is not answered', async () => {
    const out = pair.a.invite();
    const sessions: unknown[] = [];
    out.onProgress = (progress) => void sessions.push(Reflect.get(progress, 'session'));
    await pair.run();
    pair.b.call.ring({ status: 180 });
    await pair.run();
    const here = sessions[0] as Awaited<ReturnType<Pair['talk']>>['a'];
    const busy = here.modify(otherOffer);
    await pair.run(40_000);
    expect(await busy).toMatchObject({ reply: { status: 491, origin: 'unsent' } });
    pair.b.call.refuse({ status: 486 });
    await pair.run();
    await out.result;
  });
});

describe('our reliable provisional responses to a peer that is wrong', () => {
  let peer: Script;
  let invite: SipRequest;
  beforeEach(async () => {
    peer = new Script(new FakeClock());
    invite = await peer.send(
      'INVITE',
      'sip:gateway@a.example',
      [
        ['From', '<sip:bob@b.example>;tag=bob'],
        ['To', '<sip:alice@a.example>'],
        ['Call-ID', 'one'],
        ['CSeq', '10 INVITE'],
        ['Contact', '<sip:bob@b.example>'],
        ['Max-Forwards', '70'],
        ['Require', '100rel'],
        ['Record-Route', '<sip:p1.b.example;lr>, <sip:p2.b.example;lr>'],
      ],
      offer,
    );
  });
  afterEach(async () => {
    peer.a.agent.close();
    await peer.run(70_000);
    expect(peer.a.agent.load).toEqual({ calls: 0, dialogs: 0, pending: 0 });
    expect(peer.a.transactions.load).toEqual({ client: 0, server: 0 });
    expect(peer.clock.pending).toBe(0);
  });

  const prack = async (rack: string, cseq: number): Promise<number> => {
    await peer.send('PRACK', 'sip:gateway@a.example', [
      ['From', '<sip:bob@b.example>;tag=bob'],
      ['To', peer.response('INVITE').headers.get('To') ?? ''],
      ['Call-ID', 'one'],
      ['CSeq', `${cseq} PRACK`],
      ['Max-Forwards', '70'],
      ['RAck', rack],
    ]);
    return peer.response('PRACK').status;
  };

  it('carry what makes a dialog', async () => {
    peer.a.call.ring({ status: 183, sdp: reply });
    await peer.run();
    const { headers } = peer.response('INVITE');
    expect(headers.get('Contact')).toBe('<sip:gateway@a.example;transport=tls>');
    expect(headers.all('Record-Route')).toEqual(['<sip:p1.b.example;lr>', '<sip:p2.b.example;lr>']);
    expect(headers.get('Require')).toBe('100rel');
    expect(Number(headers.get('RSeq'))).toBeGreaterThan(0);
    expect(invite.headers.has('To')).toBe(true);
  });

  it.each([
    ['another number', (rseq: number) => `${rseq + 1} 10 INVITE`, 481],
    ['another request', (rseq: number) => `${rseq} 11 INVITE`, 481],
    ['another method', (rseq: number) => `${rseq} 10 UPDATE`, 481],
    ['no number', () => 'x', 481],
    ['the number', (rseq: number) => `${rseq}  10 INVITE`, 200],
  ])('meet a PRACK with %s', async (_what, rack, status) => {
    peer.a.call.ring({ status: 180 });
    await peer.run();
    const rseq = Number(peer.response('INVITE').headers.get('RSeq'));
    expect(await prack(rack(rseq), 11)).toBe(status);
    expect(await prack(rack(rseq), 12)).toBe(481);
  });

  it('are sent again, and the call refused where no PRACK ever comes', async () => {
    peer.a.call.ring({ status: 180 });
    await peer.run(33_000);
    expect(peer.take()).toEqual([...Array(7).fill('180 INVITE'), '504 INVITE']);
    expect(peer.a.call.cancelled.aborted).toBe(true);
  });
});
