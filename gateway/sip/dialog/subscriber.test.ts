import { describe, expect, it } from 'vitest';
import type { SipRequest } from '../message/message.ts';
import type { SubscribeResult, Subscription } from '../port.ts';
import { nothing, SubscriptionBench } from './testing/subscription-bench.ts';

const TIMER_N_MS = 32_000;

interface Asked {
  readonly bench: SubscriptionBench;
  readonly subscribe: SipRequest;
  readonly result: Promise<SubscribeResult>;
}

function ask(expires = 3_600, event = 'presence'): Asked {
  const bench = new SubscriptionBench();
  const result = bench.subscriptions.subscribe(bench.place, {
    target: 'sip:bob@partner.example',
    from: { uri: 'sip:alice@home.example' },
    to: { uri: 'sip:bob@partner.example' },
    headers: [['Accept', 'application/pidf+xml']],
    event,
    expires,
  });
  return { bench, subscribe: bench.flow.takeRequest(), result };
}

interface Standing extends Asked {
  readonly subscription: Subscription;
  /** State and body of each notification. */
  readonly told: string[];
}

async function accepted(asked: Asked, expires = '3600'): Promise<Standing> {
  await asked.bench.respond(asked.subscribe, 200, { Expires: expires, Contact: '<sip:bob@host.partner.example>' });
  const result = await asked.result;
  if (!result.ok) throw new Error(`Refused with ${result.reply.status}.`);
  const told: string[] = [];
  const { subscription } = result;
  subscription.onNotify = async ({ state, body }) => {
    told.push(`${state} ${body?.content.toString() ?? ''}`.trim());
    return { status: 200 };
  };
  await asked.bench.pass(0);
  return { ...asked, subscription, told };
}

/** A subscription with its first NOTIFY, and nothing unread on the wire. */
async function standing(expires = 3_600): Promise<Standing> {
  const stood = await accepted(ask(expires), String(expires));
  await stood.bench.notify(stood.subscribe, 1, { 'Subscription-State': `active;expires=${expires}` });
  stood.bench.flow.take();
  return stood;
}

const sent = (bench: SubscriptionBench): string[] =>
  bench.flow.take().map((message) => (message.kind === 'request' ? message.method : String(message.status)));

describe('the SUBSCRIBE', () => {
  it('says what is wanted, and how long', () => {
    const { subscribe } = ask(600, 'presence;id=1');
    const names = ['Event', 'Expires', 'Contact', 'Accept', 'CSeq'];
    expect(names.map((name) => subscribe.headers.get(name))).toEqual([
      'presence;id=1',
      '600',
      '<sip:gateway.example>',
      'application/pidf+xml',
      '1 SUBSCRIBE',
    ]);
    expect(subscribe.uri).toBe('sip:bob@partner.example');
  });

  it.each([403, 489, 481, 603])('that is refused with %i leaves nothing', async (status) => {
    const { bench, subscribe, result } = ask();
    await bench.respond(subscribe, status);
    expect(await result).toMatchObject({ ok: false, reply: { status, origin: 'peer' } });
    expect(await bench.left()).toEqual(nothing);
  });

  it('that nobody answers fails', async () => {
    const { bench, result } = ask();
    await bench.pass(TIMER_N_MS);
    expect(await result).toMatchObject({ ok: false, reply: { status: 408, origin: 'timeout' } });
    expect(await bench.left()).toEqual(nothing);
  });

  it('asks once for as long as the peer wants at least (423)', async () => {
    const { bench, subscribe, result } = ask(60);
    await bench.respond(subscribe, 423, { 'Min-Expires': '1800' });
    const longer = bench.flow.takeRequest();
    expect([longer.headers.get('Expires'), longer.cseq.number, longer.callId]).toEqual(['1800', 2, subscribe.callId]);
    await bench.respond(longer, 423, { 'Min-Expires': '3600' });
    expect(await result).toMatchObject({ ok: false, reply: { status: 423 } });
    expect(await bench.left()).toEqual(nothing);
  });

  it.each([
    ['too short a Min-Expires', { 'Min-Expires': '60' }],
    ['none', {}],
  ])('asks no more after a 423 with %s', async (_, fields) => {
    const { bench, subscribe, result } = ask(60);
    await bench.respond(subscribe, 423, fields);
    expect([(await result).ok, bench.flow.take()]).toEqual([false, []]);
  });

  it.each([
    ['an event that is none', { event: 'two words' }],
    ['a signal that aborted before', { signal: AbortSignal.abort() }],
  ])('is not sent for %s', async (_, order) => {
    const bench = new SubscriptionBench();
    const party = { uri: 'sip:a@b.example' };
    const whole = { target: 'sip:a@b.example', from: party, to: party, event: 'presence', expires: 60, ...order };
    expect(await bench.subscriptions.subscribe(bench.place, whole)).toMatchObject({
      ok: false,
      reply: { origin: 'unsent' },
    });
    expect(bench.flow.take()).toEqual([]);
  });
});

describe('a NOTIFY', () => {
  it('is told, and answered as the user says', async () => {
    const { bench, subscribe, subscription, told } = await accepted(ask());
    await bench.notify(subscribe, 1, {}, { body: 'open' });
    subscription.onNotify = async () => ({ status: 415 });
    await bench.notify(subscribe, 2, {}, { body: 'closed' });
    expect([told, sent(bench)]).toEqual([['active open'], ['200', '415']]);
  });

  it('before the 2xx makes the dialog, and waits for who listens', async () => {
    const asked = ask();
    const route = '<sip:p1.example;lr>, <sip:p2.example;lr>';
    await asked.bench.notify(asked.subscribe, 1, { 'Record-Route': route }, { body: 'early' });
    expect(sent(asked.bench)).toEqual([]);
    const { bench, subscription, told } = await accepted(asked);
    expect([told, sent(bench)]).toEqual([['active early'], ['200']]);
    void subscription.refresh(600);
    await bench.pass(0);
    const refresh = bench.flow.takeRequest();
    expect(refresh.headers.all('Route')).toEqual(['<sip:p1.example;lr>', '<sip:p2.example;lr>']);
    expect([refresh.uri, refresh.headers.get('To')]).toEqual([
      'sip:bob@host.partner.example',
      '<sip:bob@partner.example>;tag=peer',
    ]);
  });

  it('of another fork than that of the 2xx makes the dialog where it is the first, and none later', async () => {
    const { bench, subscribe, told } = await accepted(ask());
    await bench.notify(subscribe, 1, {}, { tag: 'fork', body: 'fork' });
    await bench.notify(subscribe, 1, {}, { tag: 'peer', body: 'peer' });
    expect([told, sent(bench)]).toEqual([['active fork'], ['200', '481']]);
  });

  it.each<[string, Record<string, string>, string]>([
    ['another event', { Event: 'dialog' }, '481'],
    ['another id', { Event: 'presence;id=2' }, '481'],
    ['no event', { Event: '' }, '481'],
    ['no state', { 'Subscription-State': '' }, '400'],
    ['a malformed state', { 'Subscription-State': 'active;;' }, '400'],
    ['an unknown extension', { Require: 'teleport' }, '420'],
    ['another Call-ID', { 'Call-ID': 'other' }, '481'],
  ])('with %s is not told', async (_, fields, status) => {
    const { bench, subscribe, told } = await accepted(ask());
    await bench.notify(subscribe, 1, fields);
    expect([told, sent(bench)]).toEqual([[], [status]]);
  });

  it('out of order is not told', async () => {
    const { bench, subscribe, told } = await accepted(ask());
    await bench.notify(subscribe, 5);
    await bench.notify(subscribe, 4);
    expect([told, sent(bench)]).toEqual([['active'], ['200', '500']]);
  });

  it('is answered 500 where the listener fails', async () => {
    const { bench, subscribe, subscription } = await accepted(ask());
    subscription.onNotify = async () => {
      throw new Error('a bug');
    };
    await bench.notify(subscribe, 1);
    expect(sent(bench)).toEqual(['500']);
  });

  it('of which too many wait for the listener is put off', async () => {
    const { bench, subscribe, subscription } = await accepted(ask());
    subscription.onNotify = undefined;
    for (let cseq = 1; cseq <= 9; cseq++) await bench.notify(subscribe, cseq);
    expect(sent(bench)).toEqual(['500']);
  });

  it('is the only request that a subscription takes', async () => {
    const { bench, subscribe } = await standing();
    const fields = { To: subscribe.headers.get('From') ?? '', 'Call-ID': subscribe.callId };
    await bench.ask('BYE', 2, { From: '<sip:bob@partner.example>;tag=peer', ...fields });
    expect(sent(bench)).toEqual(['481']);
  });
});

describe('the end of a subscription', () => {
  it.each(['deactivated', 'rejected', 'noresource', 'timeout', ''])('is told by the peer: %s', async (reason) => {
    const { bench, subscribe, subscription, told } = await standing();
    const state = reason === '' ? 'terminated' : `terminated;reason=${reason}`;
    await bench.notify(subscribe, 2, { 'Subscription-State': state }, { body: 'bye' });
    expect(await subscription.ended).toBe(reason);
    expect([told.at(-1), sent(bench)]).toEqual(['terminated bye', ['200']]);
    expect(await bench.left()).toEqual(nothing);
  });

  it('comes by timer N where no NOTIFY does', async () => {
    const { bench, subscription } = await accepted(ask());
    await bench.pass(TIMER_N_MS);
    expect(await subscription.ended).toBe('timeout');
    expect(await bench.left()).toEqual(nothing);
  });

  it('comes by asking, with the last NOTIFY', async () => {
    const { bench, subscribe, subscription, told } = await standing();
    const ended = subscription.end();
    await bench.pass(0);
    const last = bench.flow.takeRequest();
    expect([last.headers.get('Expires'), last.headers.get('Event')]).toEqual(['0', 'presence']);
    await bench.respond(last, 200, { Expires: '0' });
    await bench.notify(subscribe, 2, { 'Subscription-State': 'terminated;reason=timeout' });
    await ended;
    expect([await subscription.ended, told.at(-1)]).toEqual(['timeout', 'terminated']);
    expect(await bench.left()).toEqual(nothing);
  });

  it('comes by asking where the last NOTIFY is faster than the 2xx', async () => {
    const { bench, subscribe, subscription } = await standing();
    const ended = subscription.end();
    await bench.pass(0);
    const last = bench.flow.takeRequest();
    await bench.notify(subscribe, 2, { 'Subscription-State': 'terminated' });
    await bench.respond(last, 200);
    await ended;
    expect(await bench.left()).toEqual(nothing);
  });

  it.each([200, 481, 500])('comes by asking, whatever the peer does upon it: %i', async (status) => {
    const { bench, subscription } = await standing();
    const ended = subscription.end();
    await bench.pass(0);
    await bench.respond(bench.flow.takeRequest(), status);
    await bench.pass(TIMER_N_MS);
    await ended;
    expect(await bench.left()).toEqual(nothing);
  });

  it('comes by asking, also where the peer goes on as if nothing had been asked', async () => {
    const { bench, subscribe, subscription } = await standing();
    const ended = subscription.end();
    await bench.pass(0);
    await bench.respond(bench.flow.takeRequest(), 200);
    await bench.notify(subscribe, 2);
    await bench.pass(TIMER_N_MS);
    await ended;
    expect(await subscription.ended).toBe('ended');
    expect(await bench.left()).toEqual(nothing);
  });

  it('comes by the stop, which waits for nothing', async () => {
    const { bench, subscription } = await standing();
    bench.subscriptions.close();
    expect(await subscription.ended).toBe('ended');
    expect(bench.flow.takeRequest().headers.get('Expires')).toBe('0');
    expect(await bench.left()).toEqual(nothing);
  });

  it('is where a refresh is told that there is none', async () => {
    const { bench, subscription } = await standing();
    const refreshed = subscription.refresh(600);
    await bench.pass(0);
    await bench.respond(bench.flow.takeRequest(), 481);
    expect((await refreshed).status).toBe(481);
    expect(await subscription.ended).toBe('gone');
    expect(await subscription.refresh(600)).toMatchObject({ status: 481, origin: 'unsent' });
    expect(await bench.left()).toEqual(nothing);
  });

  it('is with the state, where it is fetched once', async () => {
    const { bench, subscribe, subscription, told } = await accepted(ask(0), '0');
    await bench.notify(subscribe, 1, { 'Subscription-State': 'terminated;reason=timeout' }, { body: 'open' });
    expect([await subscription.ended, told]).toEqual(['timeout', ['terminated open']]);
    expect(await bench.left()).toEqual(nothing);
  });

  it('is with any state, where it is fetched once', async () => {
    const { bench, subscribe, subscription } = await accepted(ask(0), '0');
    await bench.notify(subscribe, 1);
    expect(await subscription.ended).toBe('timeout');
    expect(await bench.left()).toEqual(nothing);
  });
});

describe('the refresh', () => {
  it('goes where the latest NOTIFY or 2xx says that the peer is', async () => {
    const { bench, subscribe, subscription } = await standing();
    const targets: string[] = [];
    for (const moved of ['<sip:second.partner.example>', '<sip:third.partner.example>']) {
      const refreshed = subscription.refresh(600);
      await bench.pass(0);
      const refresh = bench.flow.takeRequest();
      targets.push(refresh.uri);
      await bench.respond(refresh, 200, { Expires: '600', Contact: moved });
      await refreshed;
    }
    await bench.notify(subscribe, 2, { Contact: '<sip:fourth.partner.example>' });
    bench.flow.take();
    void subscription.refresh(600);
    await bench.pass(0);
    targets.push(bench.flow.takeRequest().uri);
    expect(targets).toEqual([
      'sip:bob@host.partner.example',
      'sip:second.partner.example',
      'sip:fourth.partner.example',
    ]);
    bench.subscriptions.close();
  });

  it('comes by itself in time, within the dialog', async () => {
    const { bench, subscribe } = await standing(3_600);
    await bench.pass((3_600 - 41) * 1_000);
    expect(sent(bench)).toEqual([]);
    await bench.pass(1_000);
    const refresh = bench.flow.takeRequest();
    expect([refresh.headers.get('Expires'), refresh.cseq.number]).toEqual(['3600', 2]);
    expect(refresh.headers.get('To')).toContain(';tag=peer');
    expect(refresh.callId).toBe(subscribe.callId);
    await bench.respond(refresh, 200, { Expires: '3600' });
    await bench.pass(3_500_000);
    expect(sent(bench)).toEqual([]);
    bench.subscriptions.close();
  });

  it('heeds a shorter time, of the 2xx and of each NOTIFY', async () => {
    const { bench, subscribe } = await accepted(ask(3_600), '600');
    await bench.notify(subscribe, 1, { 'Subscription-State': 'active;expires=60' });
    bench.flow.take();
    await bench.pass(30_000);
    const refresh = bench.flow.takeRequest();
    expect(refresh.headers.get('Expires')).toBe('3600');
    await bench.respond(refresh, 200, { Expires: '600' });
    await bench.pass(559_000);
    expect(sent(bench)).toEqual([]);
    await bench.pass(1_000);
    expect(sent(bench)).toEqual(['SUBSCRIBE']);
    bench.subscriptions.close();
  });

  it('is tried again where it fails, until the time is over', async () => {
    const { bench, subscription } = await standing(600);
    let refreshes = 0;
    for (let second = 0; second < 601; second++) {
      await bench.pass(1_000);
      for (const message of bench.flow.take()) {
        if (message.kind !== 'request') continue;
        refreshes++;
        await bench.respond(message, 500);
      }
    }
    expect(refreshes).toBeGreaterThan(1);
    expect(refreshes).toBeLessThan(6);
    expect(await subscription.ended).toBe('timeout');
    expect(await bench.left()).toEqual(nothing);
  });

  it('asks for longer where the peer wants that', async () => {
    const { bench, subscription } = await standing();
    const refreshed = subscription.refresh(60);
    await bench.pass(0);
    await bench.respond(bench.flow.takeRequest(), 423, { 'Min-Expires': '120' });
    const longer = bench.flow.takeRequest();
    expect(longer.headers.get('Expires')).toBe('120');
    await bench.respond(longer, 200, { Expires: '120' });
    expect((await refreshed).status).toBe(200);
    bench.subscriptions.close();
  });

  it('is one at a time', async () => {
    const { bench, subscription } = await standing();
    const both = Promise.all([subscription.refresh(600), subscription.refresh(1_200)]);
    await bench.pass(0);
    await bench.respond(bench.flow.takeRequest(), 200, { Expires: '600' });
    await bench.respond(bench.flow.takeRequest(), 200, { Expires: '1200' });
    expect((await both).map(({ status }) => status)).toEqual([200, 200]);
    bench.subscriptions.close();
  });
});
