import { refusalInDialog } from '../dialog/admission.ts';
import { setBody } from '../dialog/body.ts';
import { ownReply } from '../dialog/reply.ts';
import { type EventName, endsSubscription, isOfEvent, requestedSeconds } from '../dialog/subscription-state.ts';
import { SipRequest } from '../message/message.ts';
import type { Body, Notifier, Reply, Trunk } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import type { Arrival } from './arrival.ts';
import { DIALOG_TARGET } from './content.ts';
import { exchange } from './exchange.ts';
import type { DialogOwner, Ground } from './ground.ts';

type State = NonNullable<Parameters<Notifier['notify']>[1]>;

export interface Subscribed {
  /** The server's name of the dialog. */
  readonly dialogId: string;
  readonly event: EventName;
  /** Granted now; 0 fetches the state once. */
  readonly seconds: number;
  /** Granted at most. */
  readonly most: number;
}

/** A subscription of the peer's (RFC 6665 §4.2). Notifications go out one after another, in the order of the calls. */
export class DrachtioNotifier implements Notifier, DialogOwner {
  readonly trunk: Trunk;
  readonly subscribes = true;
  readonly callId: string;
  /** Resolves with the reason given to {@link notify}, or `timeout`, `unsubscribed`, `gone`, `lost`, `stopped`. */
  readonly ended: Promise<string>;
  onRefresh: ((expires: number) => void) | undefined = undefined;
  readonly #ground: Ground;
  readonly #subscribed: Subscribed;
  readonly #eventText: string;
  readonly #resolve: (reason: string) => void;
  #latest: Body | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #expiresAt = 0;
  #expiry: Timer | undefined;
  /** Why it ends with the NOTIFY that is the last. */
  #ending: string | undefined;
  #over = false;

  constructor(ground: Ground, trunk: Trunk, request: SipRequest, subscribed: Subscribed) {
    this.#ground = ground;
    this.trunk = trunk;
    this.callId = request.callId;
    this.#subscribed = subscribed;
    this.#eventText = request.headers.get('Event') ?? '';
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#resolve = resolve;
    ground.owners.add(this);
    ground.dialogs.set(subscribed.dialogId, this);
    this.#lasts(subscribed.seconds);
  }

  notify(body: Body | undefined, state: State = 'active'): Promise<Reply> {
    if (this.#over) return Promise.resolve(ownReply(481, 'Subscription Over', 'unsent'));
    // A peer that answers slowly holds up itself alone.
    if (this.#waiting >= this.#ground.limits.pendingRequests) {
      return Promise.resolve(ownReply(503, 'Too Many Notifications', 'unsent'));
    }
    this.#latest = body;
    // A state that is fetched is told once (RFC 6665 §4.4.3).
    const told: State = this.#subscribed.seconds === 0 && !isLast(state) ? { terminated: 'timeout' } : state;
    this.#waiting += 1;
    const reply = this.#turn.then(() => this.#send(body, told));
    this.#turn = reply;
    return reply;
  }

  requested(arrival: Arrival): void {
    const { request } = arrival;
    const ours = request.method === 'SUBSCRIBE' && isOfEvent(request.headers.get('Event'), this.#subscribed.event);
    const refusal = this.#over || !ours ? { status: 481 } : refusalInDialog(request);
    const seconds = requestedSeconds(request);
    if (refusal !== undefined) arrival.answer(refusal);
    else if (typeof seconds === 'object') arrival.answer(seconds);
    else this.#refresh(arrival, Math.min(seconds, this.#subscribed.most));
  }

  acknowledged(): void {}

  expired(): void {
    this.#finish('timeout');
  }

  lost(): void {
    this.#finish('lost');
  }

  close(): void {
    if (this.#over) return;
    void exchange(this.#ground, this.#request(undefined, { terminated: 'deactivated' }), this.#subscribed);
    this.#finish('stopped');
  }

  #refresh(arrival: Arrival, seconds: number): void {
    arrival.answer({ status: 200, headers: [['Expires', String(seconds)]] });
    if (seconds === 0) {
      void this.#last('unsubscribed');
      return;
    }
    this.#lasts(seconds);
    this.onRefresh?.(seconds);
    void this.notify(this.#latest);
  }

  /** The latest state once more, as the last one. */
  async #last(reason: string): Promise<void> {
    this.#ending ??= reason;
    await this.notify(this.#latest, { terminated: 'timeout' });
    this.#finish(reason);
  }

  async #send(body: Body | undefined, state: State): Promise<Reply> {
    if (this.#over) {
      this.#waiting -= 1;
      return ownReply(481, 'Subscription Over', 'unsent');
    }
    const { reply } = await exchange(this.#ground, this.#request(body, state), this.#subscribed);
    this.#waiting -= 1;
    if (isLast(state)) this.#finish(state.terminated);
    else if (reply.origin === 'timeout' || endsSubscription(reply.status)) this.#finish('gone');
    return reply;
  }

  #request(body: Body | undefined, state: State): SipRequest {
    const request = new SipRequest('NOTIFY', DIALOG_TARGET);
    const left = Math.max(0, Math.ceil((this.#expiresAt - this.#ground.clock.now()) / 1_000));
    const text = isLast(state) ? `terminated;reason=${state.terminated}` : `${state};expires=${left}`;
    request.headers.append('Event', this.#eventText).append('Subscription-State', text);
    if (body !== undefined) setBody(request, body);
    return request;
  }

  #lasts(seconds: number): void {
    const { clock } = this.#ground;
    this.#expiry?.clear();
    this.#expiresAt = clock.now() + seconds * 1_000;
    if (seconds > 0) this.#expiry = clock.setTimeout(() => void this.#last('timeout'), seconds * 1_000);
  }

  #finish(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#expiry?.clear();
    this.#ground.owners.delete(this);
    this.#ground.dialogs.delete(this.#subscribed.dialogId);
    this.#resolve(this.#ending ?? reason);
  }
}

function isLast(state: State): state is Extract<State, object> {
  return typeof state === 'object';
}
