import { type SipRequest, SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type { Answer, OutRequest, Received, Reply, Subscription, Trunk } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { TRANSACTION_MS } from '../transaction/timers.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { refusalInDialog } from './admission.ts';
import { bodyOf } from './body.ts';
import type { OpenCall } from './core.ts';
import { Dialog } from './dialog.ts';
import type { DialogOwner } from './dialogs.ts';
import { exchange } from './exchange.ts';
import type { SentRequest } from './outbound.ts';
import { ownReply } from './reply.ts';
import { addHeaders, newRequest, SUPPORTED } from './request.ts';
import { answer, later } from './respond.ts';
import type { Place } from './session.ts';
import {
  type EventName,
  endsSubscription,
  isOfEvent,
  MOST_SECONDS,
  readEvent,
  readSubscriptionState,
  type SubscriptionState,
  secondsOf,
} from './subscription-state.ts';

export type SubscribeOrder = Omit<OutRequest, 'method'> & { readonly event: string; readonly expires: number };
type Notification = Received & { readonly state: string };

/** A refresh is sent this long before the end, ms, or at half time: room for one that times out and another. */
const REFRESH_AHEAD_MS = TRANSACTION_MS + 8_000;
/** What is left below this is not worth a refresh, ms; nor do we refresh more often for a peer that grants seconds. */
const LEAST_LEFT_MS = 5_000;

/** A subscription of ours: the subscriber of RFC 6665 §4.1. It is refreshed until it is ended, here or there. */
export class Subscriber implements Subscription, DialogOwner, OpenCall {
  readonly callId: string;
  /**
   * Resolves with the reason that the notifier gave ('' for none); with `timeout` where no NOTIFY came or the time is
   * over, `gone` where the peer knows it no more, `refused` where it never began, `ended` by {@link end} or the stop.
   */
  readonly ended: Promise<string>;
  readonly #place: Place;
  readonly #order: SubscribeOrder;
  readonly #event: EventName;
  readonly #tag: string;
  readonly #over: (subscriber: Subscriber) => void;
  readonly #resolve: (reason: string) => void;
  /** Notifications that came before anybody listened. */
  #held: (() => void)[] = [];
  #listener: Subscription['onNotify'];
  #asked = 0;
  #dialog: Dialog | undefined;
  /** A NOTIFY has made the dialog: forks that come later have none (RFC 6665 §4.4.1). */
  #notified = false;
  /** The latest SUBSCRIBE out of dialog. */
  #first: SipRequest | undefined;
  #cseq = 0;
  #wanted: number;
  #expiresAt = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  /** Timer N, RFC 6665 §4.1.2.4. */
  #silence: Timer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #state: 'standing' | 'ending' | 'over' = 'standing';

  /** `over` is called once. Throws Fault `sip-malformed` for an event that is none. */
  constructor(place: Place, order: SubscribeOrder, over: (subscriber: Subscriber) => void) {
    const { core } = place;
    this.#place = place;
    this.#order = order;
    this.#event = readEvent(order.event) ?? { type: order.event, id: '' };
    this.#wanted = Math.min(order.expires, MOST_SECONDS);
    this.#over = over;
    this.#tag = core.random.token();
    this.callId = order.callId ?? core.random.token();
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#resolve = resolve;
    core.dialogs.set(this.#tag, this);
  }

  get trunk(): Trunk {
    return this.#place.trunk;
  }

  get onNotify(): Subscription['onNotify'] {
    return this.#listener;
  }

  /** What came before somebody listens is told then. */
  set onNotify(listener) {
    this.#listener = listener;
    for (const deliver of listener === undefined ? [] : this.#held.splice(0)) deliver();
  }

  /** Sends the SUBSCRIBE; where its final response is no 2xx, the subscription is over. */
  async begin(): Promise<Reply> {
    const reply = await this.#subscribe(this.#wanted);
    if (!isSuccess(reply)) this.#finish('refused');
    // Until here the limit of the transaction counts.
    else if (!this.#notified) this.#listen();
    return reply;
  }

  async refresh(expires: number): Promise<Reply> {
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

  close(): void {
    if (this.#state === 'over') return;
    const { outbound } = this.#place;
    if (this.#dialog !== undefined) void exchange(outbound, { build: () => this.#request(0), dialog: this.#dialog });
    this.#finish('ended');
  }

  requested(transaction: ServerTransaction): void {
    const { request } = transaction;
    const refusal = this.#refusal(request) ?? refusalInDialog(request);
    if (refusal !== undefined) {
      answer(transaction, refusal);
      return;
    }
    const state = readSubscriptionState(request.headers.get('Subscription-State') ?? '');
    if (state === undefined) answer(transaction, { status: 400, reason: 'Bad Subscription-State' });
    else if (!this.#take(transaction)) answer(transaction, { status: 500, reason: 'Out of Order' });
    else if (this.#asked >= this.#place.core.limits.pendingRequests) answer(transaction, later(500, 1));
    else this.#notify(transaction, state);
  }

  acknowledged(): void {}

  responded(): void {}

  #refusal(request: SipRequest): Answer | undefined {
    if (request.method !== 'NOTIFY' || !isOfEvent(request.headers.get('Event'), this.#event)) return { status: 481 };
    return this.#notified && tagOf(request.from) !== this.#dialog?.remoteTag ? { status: 481 } : undefined;
  }

  /** The first NOTIFY makes the dialog, also before the 2xx (RFC 6665 §4.4.1). False for one out of order. */
  #take({ request, flow }: ServerTransaction): boolean {
    if (!this.#notified && this.#dialog?.remoteTag !== tagOf(request.from)) {
      if (this.#first === undefined) return false;
      this.#dialog = Dialog.ofResponse(this.#first, asResponse(request), flow);
    }
    this.#notified = true;
    if (this.#dialog?.receive(request.cseq.number) !== true) return false;
    this.#dialog.refresh(request);
    this.#dialog.flow = flow;
    return true;
  }

  #notify(transaction: ServerTransaction, { state, reason, expires }: SubscriptionState): void {
    const deliver = (): void => this.#deliver(transaction, state);
    this.#asked += 1;
    if (this.#listener === undefined) this.#held.push(deliver);
    else deliver();
    if (state === 'terminated') {
      this.#finish(reason);
      return;
    }
    if (this.#state === 'ending') return;
    this.#silence?.clear();
    if (this.#wanted === 0) this.#finish('timeout');
    else if (expires !== undefined) this.#lasts(expires);
  }

  #deliver(transaction: ServerTransaction, state: string): void {
    const { headers } = transaction.request;
    const notification: Notification = { headers, body: bodyOf(transaction.request), state };
    void Promise.try(() => this.#listener?.(notification) ?? { status: 200 })
      .catch((): Answer => ({ status: 500 }))
      .then((decided) => {
        this.#asked -= 1;
        answer(transaction, decided);
      });
  }

  #inTurn(ask: () => Promise<Reply>): Promise<Reply> {
    const reply = this.#turn.then(ask);
    this.#turn = reply;
    return reply;
  }

  async #subscribe(expires: number): Promise<Reply> {
    const { reply, least } = await this.#ask(expires);
    // RFC 6665 §4.1.2.1: asked for longer, once.
    if (least === undefined || least <= expires || expires === 0) return reply;
    this.#wanted = least;
    return (await this.#ask(least)).reply;
  }

  async #ask(expires: number): Promise<{ readonly reply: Reply; readonly least: number | undefined }> {
    const { outbound } = this.#place;
    if (this.#state === 'over') return { reply: ownReply(481, 'Subscription Over', 'unsent'), least: undefined };
    let sent: SentRequest | undefined;
    const { reply, response, request } = await exchange(outbound, {
      build: (credentials) => {
        const asking = this.#request(expires);
        addHeaders(asking, credentials);
        return asking;
      },
      dialog: this.#dialog,
      sent: (under) => {
        sent = under;
      },
    });
    if (response !== undefined && isSuccess(reply)) this.#granted(request, response, sent?.flow, expires);
    else if (this.#dialog !== undefined && reply.origin === 'peer' && endsSubscription(reply.status)) {
      this.#finish('gone');
    }
    return { reply, least: reply.status === 423 ? secondsOf(reply.headers.get('Min-Expires')) : undefined };
  }

  #request(expires: number): SipRequest {
    const request = this.#dialog?.request('SUBSCRIBE') ?? this.#firstRequest();
    request.headers
      .set('Event', this.#order.event)
      .set('Expires', String(expires))
      .set('Contact', `<${this.#place.outbound.contact()}>`)
      .set('Supported', SUPPORTED);
    return request;
  }

  #firstRequest(): SipRequest {
    this.#cseq += 1;
    const ids = { callId: this.callId, tag: this.#tag, cseq: this.#cseq };
    this.#first = newRequest({ ...this.#order, method: 'SUBSCRIBE' }, ids);
    return this.#first;
  }

  #granted(request: SipRequest, response: SipResponse, flow: SentRequest['flow'], expires: number): void {
    if (this.#state === 'over') return;
    if (this.#dialog === undefined) this.#dialog = Dialog.ofResponse(request, response, flow);
    else if (this.#dialog.remoteTag === tagOf(response.to)) this.#dialog.refresh(response);
    if (expires > 0) this.#lasts(Math.min(expires, secondsOf(response.headers.get('Expires')) ?? expires));
  }

  #lasts(seconds: number): void {
    this.#expiresAt = this.#place.core.clock.now() + seconds * 1_000;
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.clear();
    if (this.#state !== 'standing') return;
    const { clock } = this.#place.core;
    const left = Math.max(0, this.#expiresAt - clock.now());
    const wait = left <= LEAST_LEFT_MS ? left : left - Math.min(REFRESH_AHEAD_MS, left / 2);
    this.#timer = clock.setTimeout(this.#due, wait);
  }

  readonly #due = (): void => {
    const left = this.#expiresAt - this.#place.core.clock.now();
    if (left <= 0) this.#finish('timeout');
    else void this.refresh(this.#wanted).then(() => this.#schedule());
  };

  /** Waits for a NOTIFY, and no longer than timer N. */
  #listen(): void {
    this.#silence?.clear();
    if (this.#state === 'over') return;
    const silent = (): void => this.#finish(this.#state === 'ending' ? 'ended' : 'timeout');
    this.#silence = this.#place.core.clock.setTimeout(silent, TRANSACTION_MS);
  }

  #finish(reason: string): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#timer?.clear();
    this.#silence?.clear();
    this.#place.core.dialogs.delete(this.#tag, this);
    this.#over(this);
    this.#resolve(reason);
  }
}

function isSuccess({ status }: Reply): boolean {
  return status >= 200 && status < 300;
}

/** The NOTIFY that makes a dialog as the response that would make the same one: routes in the caller's order. */
function asResponse(notify: SipRequest): SipResponse {
  const response = new SipResponse(200, 'OK');
  response.headers.append('To', notify.headers.get('From') ?? '');
  for (const route of notify.headers.all('Record-Route').toReversed()) response.headers.append('Record-Route', route);
  for (const contact of notify.headers.all('Contact')) response.headers.append('Contact', contact);
  return response;
}
