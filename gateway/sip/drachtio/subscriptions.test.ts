import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Subscription } from '../port.ts';
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

const order = {
  method: 'SUBSCRIBE',
  target: 'sip:bob@p.example',
  from: { uri: 'sip:alice@h.example' },
  to: { uri: 'sip:bob@p.example' },
  event: 'presence',
  expires: 600,
} as const;

const pidf = { type: 'application/pidf+xml', content: Buffer.from('<presence/>') };

function tell(
  state: string,
  options: { readonly dialog?: string; readonly to?: string; readonly callId?: string },
): SentByPeer {
  const headers = [
    ['Event', 'presence'],
    ['Subscription-State', state],
    ['Content-Type', pidf.type],
  ] as const;
  return site.server.receive('NOTIFY', { headers, body: 'open', target: 'sip:alice@h.example', ...options });
}

describe('subscriptions of ours', () => {
  async function subscribed(): Promise<{ subscription: Subscription; sent: SentByUs }> {
    const asked = site.trunk.subscribe(order);
    const sent = await site.server.sent.next();
    sent.respond(200, { headers: [['Expires', '300']], dialog: 's1' });
    const result = await asked;
    if (!result.ok) throw new Error(`${result.reply.status}`);
    return { subscription: result.subscription, sent };
  }

  it('are notified, from before somebody listens', async () => {
    const { subscription, sent } = await subscribed();
    expect(sent.request.headers.get('Event')).toBe('presence');
    expect(sent.request.headers.get('Expires')).toBe('600');
    const notify = tell('active;expires=290', { dialog: 's1' });
    await site.caughtUp();
    const heard = new Inbox<string>();
    subscription.onNotify = ({ state, body }) => {
      heard.put(`${state} ${body?.content}`);
      return Promise.resolve({ status: 200 });
    };
    expect(await heard.next()).toBe('active open');
    expect(await notify.responses.next()).toMatchObject({ status: 200 });
    const last = tell('terminated;reason=noresource', { dialog: 's1' });
    expect(await heard.next()).toBe('terminated open');
    expect(await last.responses.next()).toMatchObject({ status: 200 });
    expect(await subscription.ended).toBe('noresource');
  });

  it('are known by their first NOTIFY, also before the answer', async () => {
    const asked = site.trunk.subscribe(order);
    const sent = await site.server.sent.next();
    const tag = sent.request.from.params.get('tag');
    const notify = tell('terminated;reason=rejected', {
      to: `<sip:alice@h.example>;tag=${tag}`,
      callId: sent.request.callId,
    });
    await site.caughtUp();
    sent.respond(202);
    const result = await asked;
    if (!result.ok) throw new Error('refused');
    result.subscription.onNotify = () => Promise.resolve({ status: 200 });
    expect(await notify.responses.next()).toMatchObject({ status: 200 });
    expect(await result.subscription.ended).toBe('rejected');
  });

  it('are refreshed before they run out, and ended', async () => {
    const { subscription } = await subscribed();
    subscription.onNotify = () => Promise.resolve({ status: 200 });
    await tell('active', { dialog: 's1' }).responses.next();
    await clock.advanceAsync(260_000);
    const refresh = await site.server.sent.next();
    expect(refresh).toMatchObject({ dialogId: 's1', request: { method: 'SUBSCRIBE' } });
    refresh.respond(200, { headers: [['Expires', '600']] });
    await site.caughtUp();
    const ended = subscription.end();
    const last = await site.server.sent.next();
    expect(last.request.headers.get('Expires')).toBe('0');
    last.respond(200);
    await site.caughtUp();
    tell('terminated;reason=timeout', { dialog: 's1' });
    await ended;
    expect(await subscription.ended).toBe('timeout');
  });

  it('are over where no NOTIFY comes, and where the peer knows them no more', async () => {
    const silent = await subscribed();
    await clock.advanceAsync(32_000);
    expect(await silent.subscription.ended).toBe('timeout');

    const { subscription } = await subscribed();
    const refreshed = subscription.refresh(600);
    (await site.server.sent.next()).respond(481);
    expect(await refreshed).toMatchObject({ status: 481 });
    expect(await subscription.ended).toBe('gone');
  });

  it('are refused with what the peer says, and where they are none', async () => {
    const asked = site.trunk.subscribe(order);
    (await site.server.sent.next()).respond(489);
    expect(await asked).toMatchObject({ ok: false, reply: { status: 489, origin: 'peer' } });
    expect(await site.trunk.subscribe({ ...order, event: '' })).toMatchObject({
      ok: false,
      reply: { status: 400, origin: 'unsent' },
    });
  });
});

describe('subscriptions of peers', () => {
  const headers = [
    ['Event', 'presence'],
    ['Expires', '120'],
  ] as const;

  it('are granted what the gateway grants, and notified', async () => {
    const subscribe = site.server.receive('SUBSCRIBE', { headers });
    expect(await site.requests.next()).toMatchObject({ method: 'SUBSCRIBE', event: 'presence', expires: 120 });
    const ok = await subscribe.responses.next();
    expect(ok).toMatchObject({ status: 200 });
    expect(ok.headers.get('Expires')).toBe('60');
    const notifier = await site.notifiers.next();
    const told = notifier.notify(pidf);
    const notify = await site.server.sent.next();
    expect(notify).toMatchObject({ dialogId: subscribe.dialogId, request: { method: 'NOTIFY' } });
    expect(notify.request.headers.get('Subscription-State')).toBe('active;expires=60');
    expect(notify.request.body.toString()).toBe('<presence/>');
    notify.respond(200);
    expect(await told).toMatchObject({ status: 200 });

    const refreshed = new Inbox<number>();
    notifier.onRefresh = (expires) => refreshed.put(expires);
    const again = site.server.receive('SUBSCRIBE', { headers, dialog: subscribe.dialogId, cseq: 2 });
    expect(await again.responses.next()).toMatchObject({ status: 200 });
    expect(await refreshed.next()).toBe(60);
    (await site.server.sent.next()).respond(200);

    const gone = [headers[0], ['Expires', '0']] as const;
    site.server.receive('SUBSCRIBE', { headers: gone, dialog: subscribe.dialogId, cseq: 3 });
    const last = await site.server.sent.next();
    expect(last.request.headers.get('Subscription-State')).toBe('terminated;reason=timeout');
    last.respond(200);
    expect(await notifier.ended).toBe('unsubscribed');
    expect(await notifier.notify(pidf)).toMatchObject({ status: 481, origin: 'unsent' });
  });

  it('run out, and are told so', async () => {
    site.server.receive('SUBSCRIBE', { headers });
    const notifier = await site.notifiers.next();
    await clock.advanceAsync(60_000);
    const last = await site.server.sent.next();
    expect(last.request.headers.get('Subscription-State')).toContain('terminated');
    last.respond(200);
    expect(await notifier.ended).toBe('timeout');
  });

  it('are over where the subscriber knows them no more', async () => {
    site.server.receive('SUBSCRIBE', { headers });
    const notifier = await site.notifiers.next();
    const told = notifier.notify(pidf, 'pending');
    (await site.server.sent.next()).respond(481);
    await told;
    expect(await notifier.ended).toBe('gone');
  });

  it('end with the server', async () => {
    site.server.receive('SUBSCRIBE', { headers });
    const notifier = await site.notifiers.next();
    site.server.disconnect();
    expect(await notifier.ended).toBe('lost');
  });

  it('to nothing are refused', async () => {
    expect(await site.server.receive('SUBSCRIBE').responses.next()).toMatchObject({ status: 489 });
  });
});
