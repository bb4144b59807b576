import { describe, expect, it } from 'vitest';
import type { SipRequest } from '../message/message.ts';
import type { Body, Notifier, Reply } from '../port.ts';
import { SPACING_MS } from './notifier.ts';
import { nothing, SubscriptionBench } from './testing/subscription-bench.ts';

const body = (text: string): Body => ({ type: 'text/plain', content: Buffer.from(text) });

interface Standing {
  readonly bench: SubscriptionBench;
  readonly notifier: Notifier;
  /** Our tag. */
  readonly tag: string;
}

/** Accepts what comes, for so many seconds; `begin` is what the gateway does with the notifier at once. */
function accepting(bench: SubscriptionBench, expires = 600, begin: (notifier: Notifier) => void = () => {}): void {
  bench.decide = async () => ({ accept: true, expires, notifier: begin });
}

/** A subscription whose first NOTIFY is answered. */
async function standing(expires = 600): Promise<Standing> {
  const bench = new SubscriptionBench();
  let given: Notifier | undefined;
  accepting(bench, expires, (notifier) => {
    given = notifier;
    void notifier.notify(body('first'));
  });
  await bench.subscribe(1);
  const notify = notifyOf(bench);
  await bench.respond(notify, 200);
  if (given === undefined) throw new Error('No notifier was made.');
  return { bench, notifier: given, tag: notify.from.params.get('tag') ?? '' };
}

/** The one NOTIFY that was sent, behind whatever responses. */
function notifyOf(bench: SubscriptionBench): SipRequest {
  const requests = bench.flow.take().filter((message) => message.kind === 'request');
  const [notify, ...others] = requests;
  if (notify === undefined || others.length > 0) throw new Error(`Not one request was sent but ${requests.length}.`);
  return notify;
}

const summary = (notify: SipRequest): string =>
  `${notify.headers.get('Subscription-State')} ${notify.body.toString()}`.trim();

const sent = (bench: SubscriptionBench): string[] =>
  bench.flow.take().map((message) => (message.kind === 'request' ? summary(message) : String(message.status)));

describe('a SUBSCRIBE', () => {
  it('is asked about, and refused as the gateway says', async () => {
    const bench = new SubscriptionBench();
    await bench.subscribe(1, { Event: 'presence;id=3', Expires: '90' });
    expect(bench.asked.map(({ event, expires, from }) => [event, expires, from.uri])).toEqual([
      ['presence;id=3', 90, 'sip:bob@partner.example'],
    ]);
    expect(sent(bench)).toEqual(['403']);
    expect(await bench.left()).toEqual(nothing);
  });

  it.each<[string, Record<string, string>, string]>([
    ['no event', { Event: '' }, '489'],
    ['an event that is none', { Event: 'two words' }, '489'],
    ['a malformed event', { Event: 'presence;;' }, '400'],
    ['too brief a time', { Expires: '5' }, '423'],
    ['no Contact', { Contact: '' }, '400'],
  ])('with %s is not asked about', async (_, fields, status) => {
    const bench = new SubscriptionBench();
    await bench.subscribe(1, fields);
    expect([bench.asked, sent(bench)]).toEqual([[], [status]]);
  });

  it('is answered 500 where the gateway fails', async () => {
    const bench = new SubscriptionBench();
    bench.decide = () => Promise.reject(new Error('a bug'));
    await bench.subscribe(1);
    expect(sent(bench)).toEqual(['500']);
  });

  it('that is accepted is answered 200, for no longer than it asks, and a NOTIFY follows at once', async () => {
    const bench = new SubscriptionBench();
    accepting(bench, 3_600);
    await bench.subscribe(1);
    const [ok, notify] = bench.flow.take();
    expect(ok?.headers.get('Expires')).toBe('600');
    expect(ok?.headers.get('Contact')).toBe('<sip:gateway.example>');
    if (notify?.kind !== 'request') throw new Error('No NOTIFY was sent.');
    expect([notify.method, summary(notify), notify.headers.get('Event')]).toEqual([
      'NOTIFY',
      'active;expires=600',
      'presence',
    ]);
    expect([notify.uri, notify.headers.get('To')]).toEqual([
      'sip:bob@host.partner.example',
      '<sip:bob@partner.example>;tag=peer',
    ]);
    expect(notify.from.params.get('tag')).toBe(ok?.to.params.get('tag'));
    bench.subscriptions.close();
  });

  it('is followed by the state that the gateway gives at once, not by two', async () => {
    const bench = new SubscriptionBench();
    accepting(bench, 120, (notifier) => void notifier.notify(body('state'), 'pending'));
    await bench.subscribe(1, { Event: 'presence;id=3' });
    const [, notify, ...others] = bench.flow.take();
    expect(notify?.headers.get('Subscription-State')).toBe('pending;expires=120');
    expect([notify?.headers.get('Event'), notify?.body.toString(), others]).toEqual(['presence;id=3', 'state', []]);
    bench.subscriptions.close();
  });

  it('with Expires 0 fetches the state once', async () => {
    const bench = new SubscriptionBench();
    let ended: Promise<string> | undefined;
    accepting(bench, 600, (notifier) => {
      ended = notifier.ended;
      void notifier.notify(body('state'));
    });
    await bench.subscribe(1, { Expires: '0' });
    const notify = notifyOf(bench);
    expect(summary(notify)).toBe('terminated;reason=timeout state');
    await bench.respond(notify, 200);
    expect(await ended).toBe('timeout');
    expect(await bench.left()).toEqual(nothing);
  });

  it('finds no place past the limit of its trunk', async () => {
    const bench = new SubscriptionBench({ all: 9, perTrunk: 1 });
    accepting(bench);
    await bench.subscribe(1);
    bench.flow.take();
    await bench.subscribe(1, { 'Call-ID': 'another' });
    const [refused] = bench.flow.take();
    expect(refused).toMatchObject({ kind: 'response', status: 503 });
    expect(refused?.headers.get('Retry-After')).toBe('30');
    bench.subscriptions.close();
  });
});

describe('a NOTIFY', () => {
  it('is sent by what the gateway tells, and its reply comes back', async () => {
    const { bench, notifier } = await standing();
    await bench.pass(SPACING_MS);
    const reply = notifier.notify(body('second'));
    const notify = notifyOf(bench);
    expect(summary(notify)).toBe('active;expires=595 second');
    expect(notify.cseq.number).toBe(2);
    await bench.respond(notify, 202);
    expect((await reply).status).toBe(202);
    bench.subscriptions.close();
  });

  it('keeps its distance from the one before; the latest state of that time is told, to all who told one', async () => {
    const { bench, notifier } = await standing();
    const replies = Promise.all(['a', 'b', 'c'].map((text) => notifier.notify(body(text))));
    await bench.pass(SPACING_MS - 1);
    expect(sent(bench)).toEqual([]);
    await bench.pass(1);
    const notify = notifyOf(bench);
    expect(notify.body.toString()).toBe('c');
    await bench.respond(notify, 200);
    expect((await replies).map(({ status }) => status)).toEqual([200, 200, 200]);
    bench.subscriptions.close();
  });

  it('that waits has one timer, however many it overtakes', async () => {
    const { bench, notifier } = await standing();
    void notifier.notify(body('a'));
    const before = bench.clock.pending;
    void notifier.notify(body('b'));
    expect(bench.clock.pending).toBe(before);
    bench.subscriptions.close();
    expect(await bench.left()).toEqual(nothing);
  });

  it('goes where the latest SUBSCRIBE says that the peer is', async () => {
    const { bench, tag } = await standing();
    await bench.subscribe(2, { Contact: '<sip:second.partner.example>' }, tag);
    expect(notifyOf(bench).uri).toBe('sip:second.partner.example');
    bench.subscriptions.close();
  });

  it('waits for the reply to the one before', async () => {
    const { bench, notifier } = await standing();
    await bench.pass(SPACING_MS);
    void notifier.notify(body('a'));
    const first = notifyOf(bench);
    void notifier.notify(body('b'));
    await bench.pass(2 * SPACING_MS);
    expect(sent(bench)).toEqual([]);
    await bench.respond(first, 200);
    expect(notifyOf(bench).body.toString()).toBe('b');
    bench.subscriptions.close();
  });

  it.each([
    [481, 'gone'],
    [489, 'gone'],
    [404, 'gone'],
  ])('that is answered %i ends the subscription', async (status, reason) => {
    const { bench, notifier } = await standing();
    await bench.pass(SPACING_MS);
    const reply = notifier.notify(body('a'));
    await bench.respond(notifyOf(bench), status);
    expect([(await reply).status, await notifier.ended]).toEqual([status, reason]);
    expect(await notifier.notify(body('b'))).toMatchObject({ status: 481, origin: 'unsent' });
    expect(await bench.left()).toEqual(nothing);
  });

  it('that nobody answers ends it', async () => {
    const { bench, notifier } = await standing();
    await bench.pass(SPACING_MS);
    void notifier.notify(body('a'));
    await bench.pass(32_000);
    expect(await notifier.ended).toBe('gone');
    expect(await bench.left()).toEqual(nothing);
  });

  it('that is refused by itself ends nothing', async () => {
    const { bench, notifier } = await standing();
    await bench.pass(SPACING_MS);
    const reply = notifier.notify(body('a'));
    await bench.respond(notifyOf(bench), 415);
    expect((await reply).status).toBe(415);
    await bench.pass(SPACING_MS);
    void notifier.notify(body('b'));
    expect(notifyOf(bench).body.toString()).toBe('b');
    bench.subscriptions.close();
  });

  it('that is the last waits for no rate, and nothing follows it', async () => {
    const { bench, notifier } = await standing();
    const told = notifier.notify(body('overtaken'));
    const last = notifier.notify(body('bye'), { terminated: 'noresource' });
    const late = notifier.notify(body('late'));
    const notify = notifyOf(bench);
    expect(summary(notify)).toBe('terminated;reason=noresource bye');
    await bench.respond(notify, 200);
    expect([(await told).status, (await last).status, (await late).status]).toEqual([200, 200, 481]);
    expect(await notifier.ended).toBe('noresource');
    expect(sent(bench)).toEqual([]);
    expect(await bench.left()).toEqual(nothing);
  });
});

describe('the time of a subscription', () => {
  it('ends it with a NOTIFY where nobody refreshes it', async () => {
    const { bench, notifier } = await standing(120);
    await bench.pass(120_000);
    const notify = notifyOf(bench);
    expect(summary(notify)).toBe('terminated;reason=timeout first');
    await bench.respond(notify, 200);
    expect(await notifier.ended).toBe('timeout');
    expect(await bench.left()).toEqual(nothing);
  });

  it('begins anew with a refresh, upon which the state is told at once', async () => {
    const { bench, notifier, tag } = await standing(120);
    const refreshed: number[] = [];
    notifier.onRefresh = (seconds) => refreshed.push(seconds);
    await bench.pass(100_000);
    await bench.subscribe(2, { Expires: '90' }, tag);
    const [ok, notify] = bench.flow.take();
    expect(ok?.headers.get('Expires')).toBe('90');
    if (notify?.kind !== 'request') throw new Error('No NOTIFY was sent.');
    expect([refreshed, summary(notify)]).toEqual([[90], 'active;expires=90 first']);
    await bench.respond(notify, 200);
    await bench.pass(89_000);
    expect(sent(bench)).toEqual([]);
    await bench.pass(1_000);
    expect(sent(bench)).toEqual(['terminated;reason=timeout first']);
    bench.subscriptions.close();
  });

  it('is never longer than it was accepted for', async () => {
    const { bench, tag } = await standing(120);
    await bench.subscribe(2, { Expires: '3600' }, tag);
    const [ok] = bench.flow.take();
    expect(ok?.headers.get('Expires')).toBe('120');
    bench.subscriptions.close();
  });

  it('lets the gateway tell a newer state upon a refresh, and no second one follows', async () => {
    const { bench, notifier, tag } = await standing();
    notifier.onRefresh = () => void notifier.notify(body('newer'), 'pending');
    await bench.subscribe(2, { Expires: '90' }, tag);
    expect(sent(bench)).toEqual(['200', 'pending;expires=90 newer']);
    bench.subscriptions.close();
  });

  it('is over with Expires 0, and the last state is told', async () => {
    const { bench, notifier, tag } = await standing();
    await bench.subscribe(2, { Expires: '0' }, tag);
    const notify = notifyOf(bench);
    expect(summary(notify)).toBe('terminated;reason=timeout first');
    await bench.respond(notify, 200);
    expect(await notifier.ended).toBe('unsubscribed');
    await bench.subscribe(3, {}, tag);
    expect(sent(bench)).toEqual(['481']);
    expect(await bench.left()).toEqual(nothing);
  });

  it.each<[string, number, Record<string, string>, string]>([
    ['another event', 2, { Event: 'dialog' }, '481'],
    ['another From tag', 2, { From: '<sip:bob@partner.example>;tag=other' }, '481'],
    ['too brief a time', 2, { Expires: '5' }, '423'],
    ['an old number', 0, {}, '500'],
    ['an unknown extension', 2, { Require: 'teleport' }, '420'],
  ])('is not refreshed by a SUBSCRIBE with %s', async (_, cseq, fields, status) => {
    const { bench, notifier, tag } = await standing();
    let refreshes = 0;
    notifier.onRefresh = () => refreshes++;
    await bench.subscribe(cseq, fields, tag);
    expect([sent(bench), refreshes]).toEqual([[status], 0]);
    bench.subscriptions.close();
  });

  it('is not refreshed while the last NOTIFY is under way', async () => {
    const { bench, notifier, tag } = await standing();
    void notifier.notify(undefined, { terminated: 'noresource' });
    bench.flow.take();
    await bench.subscribe(2, {}, tag);
    expect(sent(bench)).toEqual(['481']);
    bench.subscriptions.close();
  });

  it('is over with the stop, which waits for nothing', async () => {
    const { bench, notifier } = await standing();
    const waiting: Promise<Reply> = notifier.notify(body('waits'));
    bench.subscriptions.close();
    expect(await notifier.ended).toBe('stopped');
    expect((await waiting).origin).toBe('unsent');
    expect(sent(bench)).toEqual(['terminated;reason=deactivated']);
    expect(await bench.left()).toEqual(nothing);
  });
});
