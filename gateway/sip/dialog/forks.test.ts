import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SipRequest } from '../message/message.ts';
import type { OutCall, OutInvite, Progress } from '../port.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { otherReply, reply, sessionOf } from './testing/agents.ts';
import { Script } from './testing/script.ts';

let peer: Script;
let out: OutCall;
let invite: SipRequest;
let seen: Progress[];

async function call(options: Partial<OutInvite> = {}): Promise<void> {
  out = peer.a.invite(options);
  seen = [];
  out.onProgress = (progress) => void seen.push(progress);
  await peer.run();
  invite = peer.request('INVITE');
  peer.take();
}

beforeEach(() => {
  peer = new Script(new FakeClock(), { earlyDialogs: 3 });
});
afterEach(async () => {
  peer.a.agent.close();
  await peer.run(33_000);
  expect(peer.a.agent.load).toEqual({ calls: 0, dialogs: 0, pending: 0 });
  await peer.run(33_000);
  expect(peer.a.transactions.load).toEqual({ client: 0, server: 0 });
  expect(peer.clock.pending).toBe(0);
});

describe('a call that forks', () => {
  it('tells its early dialogs apart, up to the bound', async () => {
    await call();
    for (const tag of ['one', 'two', 'one', 'three', 'four']) await peer.respond(invite, 180, { tag });
    expect(seen.map(({ fork }) => fork)).toEqual(['one', 'two', 'one', 'three', 'four']);
    expect(new Set(seen.map((progress) => Reflect.get(progress, 'session'))).size).toBe(4);
    expect(Reflect.get(seen[4] ?? {}, 'session')).toBeUndefined();
  });

  it('is won by the first 2xx; the later one is acknowledged and ended, once', async () => {
    await call();
    await peer.respond(invite, 180, { tag: 'one' });
    await peer.respond(invite, 180, { tag: 'two' });
    await peer.respond(invite, 200, { tag: 'two', sdp: reply });
    expect(await out.result).toMatchObject({ ok: true, sdp: reply });
    expect(peer.request('ACK').uri).toBe('sip:two@b.example');
    expect(peer.take()).toEqual(['ACK']);

    await peer.respond(invite, 200, { tag: 'one', sdp: otherReply });
    expect(peer.request('ACK').uri).toBe('sip:one@b.example');
    expect(peer.request('BYE').headers.get('To')).toContain('tag=one');
    expect(peer.take()).toEqual(['ACK', 'BYE']);

    await peer.respond(invite, 200, { tag: 'one', sdp: otherReply });
    await peer.respond(invite, 200, { tag: 'two', sdp: reply });
    expect(peer.take()).toEqual(['ACK', 'ACK']);
  });

  it('acknowledges a 2xx again whose transaction is gone', async () => {
    await call();
    await peer.respond(invite, 200, { tag: 'one', sdp: reply });
    peer.take();
    await peer.run(40_000);
    await peer.respond(invite, 200, { tag: 'one', sdp: reply });
    expect(peer.take()).toEqual(['ACK']);
  });

  it('fails where every branch does', async () => {
    await call();
    await peer.respond(invite, 180, { tag: 'one' });
    await peer.respond(invite, 199, { tag: 'one' });
    await peer.respond(invite, 486, { tag: 'two' });
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 486 } });
  });

  it('answers requests of its early dialogs, and of no other', async () => {
    await call();
    await peer.respond(invite, 180, { tag: 'one' });
    for (const [tag, status] of [
      ['one', 405],
      ['two', 481],
    ] as const) {
      await peer.send('INFO', 'sip:gateway@a.example', [
        ['From', `<sip:bob@b.example>;tag=${tag}`],
        ['To', invite.headers.get('From') ?? ''],
        ['Call-ID', invite.callId],
        ['CSeq', '1 INFO'],
        ['Max-Forwards', '70'],
      ]);
      expect(peer.response('INFO').status).toBe(status);
    }
  });

  it('ends a 2xx that comes though the call was given up', async () => {
    const abort = new AbortController();
    await call({ signal: abort.signal });
    await peer.respond(invite, 180, { tag: 'one' });
    abort.abort();
    await peer.run();
    expect(peer.take()).toEqual(['CANCEL']);
    await peer.respond(invite, 200, { tag: 'one', sdp: reply });
    expect(peer.take()).toEqual(['ACK', 'BYE']);
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 487 } });
  });
});

describe('the answer to a call', () => {
  it.each([
    ['in the 2xx', undefined, reply, reply],
    ['only in a provisional response', reply, undefined, reply],
    ['in the 2xx, not in the foretaste of it', otherReply, reply, reply],
  ])('counts %s', async (_where, early, final, counts) => {
    await call();
    await peer.respond(invite, 183, { tag: 'one', ...(early && { sdp: early }) });
    await peer.respond(invite, 200, { tag: 'one', ...(final && { sdp: final }) });
    expect(await out.result).toMatchObject({ ok: true, sdp: counts });
  });

  it('that is missing ends the call', async () => {
    await call();
    await peer.respond(invite, 200, { tag: 'one' });
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 488 } });
    expect(peer.take()).toEqual(['ACK', 'BYE']);
  });

  it('is late: it is not acknowledged before ours is there, and BYE comes behind the ACK', async () => {
    await call({ offer: undefined });
    expect(invite.headers.all('Supported')).not.toContain('100rel');
    await peer.respond(invite, 200, { tag: 'one', sdp: reply });
    await peer.respond(invite, 200, { tag: 'one', sdp: reply });
    expect(peer.take()).toEqual([]);
    void sessionOf(await out.result).end();
    await peer.run();
    expect(peer.take()).toEqual(['ACK', 'BYE']);
  });
});

describe('reliable provisional responses to us', () => {
  const reliable = (rseq: number): { headers: [string, string][] } => ({
    headers: [
      ['Require', '100rel'],
      ['RSeq', String(rseq)],
    ],
  });

  it.each([
    ['in order', [7, 8], ['7 1 INVITE', '8 1 INVITE']],
    ['once each', [7, 7, 8, 8], ['7 1 INVITE', '8 1 INVITE']],
    ['not past a gap', [7, 9], ['7 1 INVITE']],
    ['not backwards', [7, 6], ['7 1 INVITE']],
  ])('are acknowledged %s', async (_how, numbers, racks) => {
    await call();
    const acknowledged: (string | undefined)[] = [];
    for (const rseq of numbers) {
      await peer.respond(invite, 180, { tag: 'one', ...reliable(rseq) });
      for (const message of peer.received.splice(0)) {
        if (message.kind !== 'request') continue;
        acknowledged.push(message.headers.get('RAck'));
        await peer.respond(message, 200);
      }
    }
    expect(acknowledged).toEqual(racks);
    expect(seen).toHaveLength(racks.length);
  });

  it('bring the answer, and what the 2xx says of it is left aside', async () => {
    await call();
    await peer.respond(invite, 183, { tag: 'one', sdp: reply, ...reliable(1) });
    expect(peer.request('PRACK').uri).toBe('sip:one@b.example');
    await peer.respond(peer.request('PRACK'), 200);
    await peer.respond(invite, 200, { tag: 'one', sdp: otherReply });
    expect(await out.result).toMatchObject({ ok: true, sdp: reply });
  });

  it('count for each branch by itself', async () => {
    await call();
    await peer.respond(invite, 180, { tag: 'one', ...reliable(5) });
    await peer.respond(invite, 180, { tag: 'two', ...reliable(90) });
    expect(peer.take()).toEqual(['PRACK', 'PRACK']);
  });
});

describe('a call that is asked for more', () => {
  it('comes again with the session interval of a 422', async () => {
    await call();
    expect(invite.headers.get('Session-Expires')).toBe('1800');
    await peer.respond(invite, 422, { tag: 'one', headers: [['Min-SE', '3600']] });
    expect(peer.take()).toEqual(['ACK', 'INVITE']);
    await call();
  });

  it('has the credentials in its ACK too', async () => {
    Object.assign(peer.a.outbound, { authorize: async () => [['Proxy-Authorization', 'Digest x']] });
    await call();
    await peer.respond(invite, 407, { tag: 'one' });
    await peer.respond(peer.request('INVITE'), 200, { tag: 'one', sdp: reply });
    expect(peer.request('ACK').headers.get('Proxy-Authorization')).toBe('Digest x');
    expect(await out.result).toMatchObject({ ok: true });
  });

  it('comes again with credentials, in the same call, and only a few times', async () => {
    Object.assign(peer.a.outbound, { authorize: async () => [['Authorization', 'Digest x']] });
    await call();
    const first = invite;
    for (const number of [2, 3, 4]) {
      await peer.respond(invite, 401, { tag: 'one' });
      invite = peer.request('INVITE');
      expect(invite.cseq.number).toBe(number);
      expect(invite.headers.get('Authorization')).toBe('Digest x');
      expect([invite.callId, invite.headers.get('From')]).toEqual([first.callId, first.headers.get('From')]);
      expect(invite.to.params.has('tag')).toBe(false);
    }
    await peer.respond(invite, 401, { tag: 'one' });
    expect(await out.result).toMatchObject({ ok: false, reply: { status: 401 } });
  });
});
