import { refusalInDialog } from '../dialog/admission.ts';
import { bodyOf } from '../dialog/body.ts';
import { ownReply } from '../dialog/reply.ts';
import { addHeaders, newRequest } from '../dialog/request.ts';
import { later } from '../dialog/respond.ts';
import {
  endsSubscription,
  isOfEvent,
  MOST_SECONDS,
  readEvent,
  readSubscriptionState,
  type SubscriptionState,
  secondsOf,
} from '../dialog/subscription-state.ts';
import { SipRequest } from '../message/message.ts';
import type { Answer, OutRequest, Received, Reply, SubscribeResult, Subscription } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import type { Arrival } from './arrival.ts';
import { DIALOG_TARGET, FIRST_CSEQ } from './content.ts';
import { exchange } from './exchange.ts';
import { type DialogOwner, freeCallId, type Ground } from './ground.ts';
import type { Road } from './road.ts';

export type SubscribeOrder = OutRequest & { readonly event: string; readonly expires: number };

/** A refresh is sent this long before the end, ms, or at half time. */
const REFRESH_AHEAD_MS = 40_000;
/** What is left below this is not worth a refresh, ms. */
const LEAST_LEFT_MS = 5_000;
/** Timer N: a NOTIFY follows each SUBSCRIBE within it (RFC 6665 §4.1.2.4). */
const NOTIFY_MS = 32_000;

/** A subscription of ours, refreshed until it is ended here or there (RFC 6665 §4.1). */
export class DrachtioSubscription implements Subscription, DialogOwner {
  readonly trunk: Road;
  readonly subscribes = true;
  readonly callId: string;
  /** Resolves with the reason of the notifier, or `timeout`, `gone`, `refused`, `ended`, `lost`. */
  readonly ended: Promise<string>;
  readonly #ground: Ground;
  readonly #order: SubscribeOrder;
  readonly #tag: string;
  readonly #resolve: (reason: string) => void;
  /** Notifications that came before anybody listened. */
  #held: (() => void)[] = [];
  #listener: Subscription['onNotify'];
  #dialogId: string | undefined;
  #asked = 0;
  #wanted: number;
  #expiresAt = 0;
  #timer: Timer | undefined;
  #silence: Timer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #state: 'standing' | 'ending' | 'over' = 'standing';

  private constructor(ground: Ground, trunk: Road, order: SubscribeOrder) {
    this.#ground = ground;
    this.trunk = trunk;
    this.#order = order;
    this.#wanted = Math.min(order.expires, MOST_SECONDS);
    this.#tag = ground.random.token();
    this.callId = freeCallId(ground, order.callId);
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  /** Subscribes. Never rejects. */
  static async begin(ground: Ground, trunk: Road, order: SubscribeOrder): Promise<SubscribeResult> {
    const refused = (status: number, reason: string): SubscribeResult => ({
      ok: false,
      reply: ownReply(status, reason, 'unsent'),
    });
    if (order.signal?.aborted === true) return refused(408, 'Given Up');
    if (ground.owners.size >= ground.limits.calls) return refused(503, 'Too Many Subscriptions');
    if (!isEvent(order.event)) return refused(400, 'Bad Event');
    const subscription = new DrachtioSubscription(ground, trunk, order);
    const reply = await subscription.#begin();
    return isSuccess(reply) ? { ok: true, subscription } : { ok: false, reply };
  }

  get onNotify(): Subscription['onNotify'] {
    return this.#listener;
  }

  /** What came before somebody listens is told then. */
  set onNotify(listener) {
    this.#listener = listener;
    for (const deliver of listener === undefined ? [] : this.#held.splice(0)) deliver();
  }

  refresh(expires: number): Promise<Reply> {
    this.#wanted = Math.min(expires, MOST_SECONDS);
    return this.#inTurn(() => this.#subscribe(this.#wanted));
  }

  /** Unsubscribes, and waits for the last NOTIFY (RFC 6665 §4.1.2.3). */
  async end(): Promise<void> {
    if (this.#state === 'standing') {
      this.#state = 'ending';
      this.#timer?.clear();
      const reply = await this.#inTurn(() => this.#subscribe(0));
      if (isSuccess(reply)) this.#listen();
      else this.#finish('ended');
    }
    await this.ended;
  }

  requested(arrival: Arrival): void {
    const { request } = arrival;
    const refusal = this.#refusal(request) ?? refusalInDialog(request);
    const state = readSubscriptionState(request.headers.get('Subscription-State') ?? '');
    if (refusal !== undefined) arrival.answer(refusal);
    else if (state === undefined) arrival.answer({ status: 400, reason: 'Bad Subscription-State' });
    else if (this.#asked >= this.#ground.limits.pendingRequests) arrival.answer(later(500, 1));
    else {
      this.#know(arrival.dialogId);
      this.#notified(arrival, state);
    }
  }

  acknowledged(): void {}

  expired(): void {
    this.#finish('timeout');
  }

  lost(): void {
    this.#finish('lost');
  }

  close(): void {
    if (this.#state === 'over') return;
    if (this.#dialogId !== undefined) void exchange(this.#ground, this.#request(0), { dialogId: this.#dialogId });
    this.#finish('ended');
  }

  async #begin(): Promise<Reply> {
    this.#ground.owners.add(this);
    this.#ground.awaited.set(this.#tag, this);
    this.#listen();
    const reply = await this.#subscribe(this.#wanted);
    if (!isSuccess(reply)) this.#finish('refused');
    return reply;
  }

  #refusal({ method, headers }: SipRequest): Answer | undefined {
    if (this.#state === 'over' || method !== 'NOTIFY') return { status: 481 };
    const event = readEvent(this.#order.event);
    return event !== undefined && isOfEvent(headers.get('Event'), event) ? undefined : { status: 481 };
  }

  #notified(arrival: Arrival, { state, reason, expires }: SubscriptionState): void {
    this.#asked += 1;
    const deliver = (): void => this.#deliver(arrival, state);
    if (this.#listener === undefined) this.#held.push(deliver);
    else deliver();
    if (state === 'terminated') this.#finish(reason);
    else if (this.#state === 'standing') {
      this.#silence?.clear();
      if (this.#wanted === 0) this.#finish('timeout');
      else if (expires !== undefined) this.#lasts(expires);
    }
  }

  #deliver(arrival: Arrival, state: string): void {
    const { headers } = arrival.request;
    const notification: Received & { readonly state: string } = { headers, body: bodyOf(arrival.request), state };
    void Promise.try(() => this.#listener?.(notification) ?? { status: 200 })
      .catch((): Answer => ({ status: 500 }))
      .then((decided) => {
        this.#asked -= 1;
        arrival.answer(decided);
      });
  }

  #inTurn(ask: () => Promise<Reply>): Promise<Reply> {
    const reply = this.#turn.then(ask);
    this.#turn = reply;
    return reply;
  }

  async #subscribe(expires: number): Promise<Reply> {
    if (this.#state === 'over') return ownReply(481, 'Subscription Over', 'unsent');
    const first = this.#dialogId === undefined;
    const request = first ? this.#firstRequest(FIRST_CSEQ) : this.#request(expires);
    const destination = first ? this.trunk.destination(0) : { dialogId: this.#dialogId };
    let asked = await exchange(this.#ground, request, destination);
    const credentials = first ? await this.trunk.authorize(request, asked.reply) : undefined;
    if (credentials !== undefined) {
      const again = this.#firstRequest(asked.cseq + 1);
      addHeaders(again, credentials);
      asked = await exchange(this.#ground, again, destination);
    }
    const { reply, response, dialogId } = asked;
    if (response !== undefined && isSuccess(reply)) {
      this.#know(dialogId);
      if (expires > 0) this.#lasts(Math.min(expires, secondsOf(response.headers.get('Expires')) ?? expires));
    } else if (!first && endsSubscription(reply.status)) this.#finish('gone');
    return reply;
  }

  #firstRequest(cseq: number): SipRequest {
    const ids = { callId: this.callId, tag: this.#tag, cseq };
    const request = newRequest({ ...this.#order, method: 'SUBSCRIBE' }, ids);
    request.headers.set('Event', this.#order.event).set('Expires', String(this.#wanted));
    this.trunk.sending(request);
    return request;
  }

  #request(expires: number): SipRequest {
    const request = new SipRequest('SUBSCRIBE', DIALOG_TARGET);
    request.headers.set('Event', this.#order.event).set('Expires', String(expires));
    return request;
  }

  /** The server has a name for the dialog now. */
  #know(dialogId: string): void {
    if (dialogId === '' || this.#dialogId !== undefined || this.#state === 'over') return;
    this.#dialogId = dialogId;
    this.#ground.dialogs.set(dialogId, this);
  }

  #lasts(seconds: number): void {
    const { clock } = this.#ground;
    this.#expiresAt = clock.now() + seconds * 1_000;
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.clear();
    if (this.#state !== 'standing') return;
    const { clock } = this.#ground;
    const left = Math.max(0, this.#expiresAt - clock.now());
    const wait = left <= LEAST_LEFT_MS ? left : left - Math.min(REFRESH_AHEAD_MS, left / 2);
    this.#timer = clock.setTimeout(this.#due, wait);
  }

  readonly #due = (): void => {
    if (this.#expiresAt <= this.#ground.clock.now()) this.#finish('timeout');
    else void this.refresh(this.#wanted).then(() => this.#schedule());
  };

  #listen(): void {
    this.#silence?.clear();
    if (this.#state === 'over') return;
    const silent = (): void => this.#finish(this.#state === 'ending' ? 'ended' : 'timeout');
    this.#silence = this.#ground.clock.setTimeout(silent, NOTIFY_MS);
  }

  #finish(reason: string): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#timer?.clear();
    this.#silence?.clear();
    const { owners, awaited, dialogs } = this.#ground;
    owners.delete(this);
    awaited.delete(this.#tag);
    if (this.#dialogId !== undefined) dialogs.delete(this.#dialogId);
    this.#resolve(reason);
  }
}

function isSuccess({ status }: Reply): boolean {
  return status >= 200 && status < 300;
}

function isEvent(text: string): boolean {
  try {
    return readEvent(text) !== undefined;
  } catch {
    return false;
  }
}
