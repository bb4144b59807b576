import { tagOf } from '../message/name-address.ts';
import type { Answer, Body, Notifier, Reply, Trunk } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { refusalInDialog } from './admission.ts';
import { setBody } from './body.ts';
import type { OpenCall } from './core.ts';
import { Dialog } from './dialog.ts';
import type { DialogOwner } from './dialogs.ts';
import { exchange } from './exchange.ts';
import { ownReply } from './reply.ts';
import { addHeaders } from './request.ts';
import { answer } from './respond.ts';
import type { Place } from './session.ts';
import { type EventName, endsSubscription, isOfEvent, readEvent, requestedSeconds } from './subscription-state.ts';

type State = NonNullable<Parameters<Notifier['notify']>[1]>;

interface Told {
  readonly body: Body | undefined;
  readonly state: State;
}

/** A notification to be sent; those that it overtook share its reply. */
interface Waiting extends Told {
  readonly urgent: boolean;
  readonly settled: ((reply: Reply) => void)[];
}

/** The least time between two notifications of one subscription, ms (RFC 3856 §6.10). */
export const SPACING_MS = 5_000;

/**
 * A subscription of the peer's: the notifier of RFC 6665 §4.2.
 *
 * One NOTIFY is under way at a time and one waits, the latest: so every package must tell its whole state each time.
 * The first, the last, and those that a refresh asks for wait for no rate.
 */
export class OwnNotifier implements Notifier, DialogOwner, OpenCall {
  readonly callId: string;
  /**
   * Resolves with the reason that {@link notify} gave; with `timeout` where nobody refreshed it, `unsubscribed`, `gone`
   * where the peer knows it no more or answers no NOTIFY, `stopped` by the stop.
   */
  readonly ended: Promise<string>;
  onRefresh: ((expires: number) => void) | undefined = undefined;
  readonly #place: Place;
  readonly #event: EventName;
  readonly #eventText: string;
  readonly #tag: string;
  readonly #dialog: Dialog;
  readonly #most: number;
  readonly #over: (notifier: OwnNotifier) => void;
  readonly #resolve: (reason: string) => void;
  #expiresAt = 0;
  #expiry: Timer | undefined;
  #waiting: Waiting | undefined;
  #pause: Timer | undefined;
  #sending = false;
  #sentAt = Number.NEGATIVE_INFINITY;
  #latest: Told | undefined;
  /** A SUBSCRIBE was accepted, and no NOTIFY has followed it. */
  #due = true;
  /** Why it ends with the NOTIFY that waits or is under way. */
  #ending: string | undefined;
  #isOver = false;

  /**
   * For a SUBSCRIBE that is accepted, for `seconds` now and at `most`; 0 seconds fetch the state once. `over` is
   * called once.
   */
  constructor(
    place: Place,
    transaction: ServerTransaction,
    { seconds, most }: { readonly seconds: number; readonly most: number },
    over: (notifier: OwnNotifier) => void,
  ) {
    const { request, tag, flow } = transaction;
    this.#place = place;
    this.#eventText = request.headers.get('Event') ?? '';
    this.#event = readEvent(this.#eventText) ?? { type: '', id: '' };
    this.#tag = tag;
    this.#most = most;
    this.#over = over;
    this.#dialog = Dialog.ofRequest(request, tag, flow);
    this.callId = this.#dialog.callId;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#resolve = resolve;
    place.core.dialogs.set(tag, this);
    this.#lasts(seconds);
    this.#accept(transaction, seconds);
  }

  get trunk(): Trunk {
    return this.#place.trunk;
  }

  /** A NOTIFY follows every accepted SUBSCRIBE at once (RFC 6665 §4.2.1.2), whether or not the gateway has sent one. */
  announce(): void {
    if (!this.#due) return;
    const { body, state } = this.#waiting ?? this.#latest ?? { body: undefined, state: 'active' };
    void this.#put(body, state);
  }

  notify(body: Body | undefined, state: State = 'active'): Promise<Reply> {
    return this.#put(body, state);
  }

  requested(transaction: ServerTransaction): void {
    const { request, flow } = transaction;
    const refusal = this.#refusal(transaction) ?? refusalInDialog(request);
    const seconds = requestedSeconds(request);
    if (refusal !== undefined) answer(transaction, refusal);
    else if (typeof seconds === 'object') answer(transaction, seconds);
    else {
      this.#dialog.refresh(request);
      this.#dialog.flow = flow;
      this.#refresh(transaction, Math.min(seconds, this.#most));
    }
  }

  acknowledged(): void {}

  responded(): void {}

  close(): void {
    if (this.#isOver) return;
    void this.#send({ body: undefined, state: { terminated: 'deactivated' } });
    this.#finish('stopped');
  }

  #refusal({ request }: ServerTransaction): Answer | undefined {
    const matches = request.method === 'SUBSCRIBE' && isOfEvent(request.headers.get('Event'), this.#event);
    if (!matches || tagOf(request.from) !== this.#dialog.remoteTag || this.#ending !== undefined)
      return { status: 481 };
    return this.#dialog.receive(request.cseq.number) ? undefined : { status: 500, reason: 'Out of Order' };
  }

  #refresh(transaction: ServerTransaction, seconds: number): void {
    this.#accept(transaction, seconds);
    if (seconds === 0) {
      this.#end('unsubscribed');
      return;
    }
    this.#lasts(seconds);
    this.#due = true;
    this.onRefresh?.(seconds);
    this.announce();
  }

  /** The latest state once more, as the last one. */
  #end(reason: string): void {
    this.#ending ??= reason;
    void this.#put((this.#waiting ?? this.#latest)?.body, { terminated: 'timeout' });
  }

  #accept(transaction: ServerTransaction, seconds: number): void {
    const contact = this.#place.outbound.contact();
    answer(transaction, {
      status: 200,
      headers: [
        ['Expires', String(seconds)],
        ['Contact', `<${contact}>`],
      ],
    });
  }

  #put(body: Body | undefined, state: State): Promise<Reply> {
    if (this.#isOver) return Promise.resolve(ownReply(481, 'Subscription Over', 'unsent'));
    if (isLast(state)) this.#ending ??= state.terminated;
    return new Promise((resolve) => {
      const before = this.#waiting;
      // Nothing is told behind the last notification.
      const next = before !== undefined && isLast(before.state) ? before : { body, state };
      const urgent = this.#due || isLast(next.state) || before?.urgent === true;
      this.#due = false;
      const settled = before?.settled ?? [];
      settled.push(resolve);
      this.#waiting = { body: next.body, state: next.state, urgent, settled };
      this.#pump();
    });
  }

  #pump(): void {
    const next = this.#waiting;
    if (next === undefined || this.#sending) return;
    const { clock } = this.#place.core;
    const wait = next.urgent ? 0 : this.#sentAt + SPACING_MS - clock.now();
    this.#pause?.clear();
    this.#pause = undefined;
    if (wait > 0) {
      this.#pause = clock.setTimeout(() => this.#pump(), wait);
      return;
    }
    this.#waiting = undefined;
    this.#sending = true;
    this.#sentAt = clock.now();
    // A state that is fetched is told once (RFC 6665 §4.4.3).
    const state: State = this.#left > 0 || isLast(next.state) ? next.state : { terminated: 'timeout' };
    this.#latest = { body: next.body, state };
    void this.#send(this.#latest).then((reply) => this.#answered(next, state, reply));
  }

  async #send({ body, state }: Told): Promise<Reply> {
    const { outbound } = this.#place;
    const { reply } = await exchange(outbound, {
      build: (credentials) => {
        const request = this.#dialog.request('NOTIFY');
        request.headers
          .append('Event', this.#eventText)
          .append('Subscription-State', this.#stateText(state))
          .append('Contact', `<${outbound.contact()}>`);
        if (body !== undefined) setBody(request, body);
        addHeaders(request, credentials);
        return request;
      },
      dialog: this.#dialog,
    });
    return reply;
  }

  #answered({ settled }: Waiting, state: State, reply: Reply): void {
    this.#sending = false;
    const isGone = reply.origin === 'timeout' || (reply.origin === 'peer' && endsSubscription(reply.status));
    if (isLast(state)) this.#finish(this.#ending ?? state.terminated);
    else if (isGone) this.#finish('gone');
    for (const settle of settled) settle(reply);
    this.#pump();
  }

  /** Seconds. */
  get #left(): number {
    return Math.ceil((this.#expiresAt - this.#place.core.clock.now()) / 1_000);
  }

  #stateText(state: State): string {
    return isLast(state) ? `terminated;reason=${state.terminated}` : `${state};expires=${this.#left}`;
  }

  #lasts(seconds: number): void {
    const { clock } = this.#place.core;
    this.#expiry?.clear();
    this.#expiresAt = clock.now() + seconds * 1_000;
    if (seconds === 0) return;
    this.#expiry = clock.setTimeout(() => this.#end('timeout'), seconds * 1_000);
  }

  #finish(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#expiry?.clear();
    this.#pause?.clear();
    for (const settle of this.#waiting?.settled ?? []) settle(ownReply(481, 'Subscription Over', 'unsent'));
    this.#waiting = undefined;
    this.#place.core.dialogs.delete(this.#tag, this);
    this.#over(this);
    this.#resolve(reason);
  }
}

function isLast(state: State): state is Extract<State, object> {
  return typeof state === 'object';
}
