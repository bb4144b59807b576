import type { SubscribeAnswer, SubscribeResult, Trunk } from '../port.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { undecided } from './decision.ts';
import { IncomingRequest } from './incoming-request.ts';
import { OwnNotifier } from './notifier.ts';
import { ownReply } from './reply.ts';
import { answer, later } from './respond.ts';
import type { Place } from './session.ts';
import { type SubscribeOrder, Subscriber } from './subscriber.ts';
import { readEvent, requestedSeconds } from './subscription-state.ts';

export interface SubscriptionLimits {
  /** Subscriptions either way at a time: about two kilobytes each, and a timer. */
  readonly all: number;
  /** The same of one trunk, lest one partner take the places of the others. */
  readonly perTrunk: number;
}

export const subscriptionLimits: SubscriptionLimits = { all: 20_000, perTrunk: 5_000 };

/** Seconds after which a subscriber who found no place may come again. */
const RETRY_AFTER_S = 30;

/** All subscriptions of one user agent, ours and those of the peers. */
export class Subscriptions {
  readonly #limits: SubscriptionLimits;
  readonly #standing = new Set<Subscriber | OwnNotifier>();
  readonly #perTrunk = new Map<Trunk, number>();

  constructor(limits: SubscriptionLimits = subscriptionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#standing.size;
  }

  /** Subscribes to something of the peer's (RFC 6665 §4.1.2). Never rejects. */
  async subscribe(place: Place, order: SubscribeOrder): Promise<SubscribeResult> {
    if (order.signal?.aborted === true) return { ok: false, reply: ownReply(408, 'Given Up', 'unsent') };
    if (!this.#hasRoom(place.trunk)) return { ok: false, reply: ownReply(503, 'Too Many Subscriptions', 'unsent') };
    if (readEvent(order.event) === undefined) return { ok: false, reply: ownReply(400, 'Bad Event', 'unsent') };
    const subscription = new Subscriber(place, order, this.#over);
    this.#add(subscription);
    const reply = await subscription.begin();
    return reply.status >= 200 && reply.status < 300 ? { ok: true, subscription } : { ok: false, reply };
  }

  /** Takes a SUBSCRIBE out of dialog (RFC 6665 §4.2.1). Throws Fault `sip-malformed`, and then nothing is answered. */
  receive(place: Place, transaction: ServerTransaction): void {
    const { request } = transaction;
    const event = readEvent(request.headers.get('Event'));
    const expires = requestedSeconds(request);
    if (event === undefined) answer(transaction, { status: 489 });
    else if (request.contact === undefined) answer(transaction, { status: 400, reason: 'No Contact' });
    else if (typeof expires === 'object') answer(transaction, expires);
    else if (!this.#hasRoom(place.trunk)) answer(transaction, later(503, RETRY_AFTER_S));
    else void this.#ask(place, transaction, expires);
  }

  /** Ends all without waiting; leaves no timer. */
  close(): void {
    for (const subscription of [...this.#standing]) subscription.close();
  }

  async #ask(place: Place, transaction: ServerTransaction, expires: number): Promise<void> {
    const { request } = transaction;
    const event = request.headers.get('Event') ?? '';
    const incoming = Object.assign(new IncomingRequest(place.trunk, request), { event, expires });
    const { core } = place;
    const asked = Promise.try(() => core.handlers().subscribe(incoming));
    const decided = await asked.catch(
      (error: unknown): SubscribeAnswer => ({ accept: false, answer: undecided(core, error) }),
    );
    if (!decided.accept) answer(transaction, decided.answer);
    else if (!this.#hasRoom(place.trunk)) answer(transaction, later(503, RETRY_AFTER_S));
    else if (!transaction.ended) this.#accept(place, transaction, decided, expires);
  }

  #accept(
    place: Place,
    transaction: ServerTransaction,
    decided: SubscribeAnswer & { readonly accept: true },
    asked: number,
  ): void {
    const most = decided.expires;
    const notifier = new OwnNotifier(place, transaction, { seconds: Math.min(most, asked), most }, this.#over);
    this.#add(notifier);
    decided.notifier(notifier);
    notifier.announce();
  }

  #hasRoom(trunk: Trunk): boolean {
    return this.#standing.size < this.#limits.all && (this.#perTrunk.get(trunk) ?? 0) < this.#limits.perTrunk;
  }

  #add(subscription: Subscriber | OwnNotifier): void {
    this.#standing.add(subscription);
    this.#perTrunk.set(subscription.trunk, (this.#perTrunk.get(subscription.trunk) ?? 0) + 1);
  }

  readonly #over = (subscription: Subscriber | OwnNotifier): void => {
    if (!this.#standing.delete(subscription)) return;
    const left = (this.#perTrunk.get(subscription.trunk) ?? 0) - 1;
    if (left > 0) this.#perTrunk.set(subscription.trunk, left);
    else this.#perTrunk.delete(subscription.trunk);
  };
}
