import type { ReasonCode } from '../../policies/reasons.ts';
import type { LotRow } from '../store/outbox-table.ts';
import { OutboxJournal, type OutboxStore } from './outbox-journal.ts';
import { readLot } from './outbox-lot.ts';
import type { OutboxQueue } from './outbox-queue.ts';
import { OutboxQueues } from './outbox-queues.ts';
import { recover } from './outbox-recovery.ts';
import { OutboxReturns } from './outbox-returns.ts';
import type { Route } from './outbox-route.ts';
import type { Taken } from './ports.ts';
import type { Stanza } from './stanza.ts';

export interface OutboxLimits {
  /** Messages kept for one partner in one direction, and their bytes: past either, the next comes back. */
  readonly messages: number;
  readonly bytes: number;
  /** How long one may wait, ms. */
  readonly ageMs: number;
}

/** What the outbox asks of the bridge around it. */
export interface OutboxOwner {
  /** Hands a stanza to the edge or home that the route leads to. */
  hand(route: Route, stanza: Stanza): Taken;
  /** Whether it settles what it is handed in the turn in which it stores it: see `Home.keeps`. */
  keeps(route: Route): boolean;
  /** Tells its sender; false where the way back to the sender is to be spared. */
  undeliverable(stanza: Stanza, reason: ReasonCode): boolean;
  /** Whoever fills this route may go on. */
  relieved(route: Route): void;
  /** The policy that speaks of a partner domain: what it may hold is counted by this name. */
  partnerName(domain: string): string;
  /** ms since the epoch. */
  now(): number;
}

/** Errors may take the bounds this many times: where one is lost, so is what it answers, and nobody is told. */
const ERRORS = 4;
/** Stanzas of one queue on their way to the disk, after which whoever brings them should pause. */
const UNKEPT = 2_000;
/** Stanzas marked ahead as perhaps sent: what a crash may leave in doubt though it was not sent. */
const AHEAD = 500;
/** How often ages are looked at, ms. */
const ROUND_MS = 1_000;
/** Rounds between two looks for queues that nobody uses. */
const SWEEP_ROUNDS = 60;

/**
 * Keeps what must not be lost until the other side has taken it: nothing is handed on, and nothing acknowledged, before
 * the store has it. In order per {@link Route}. What a crash leaves in doubt comes back to its sender.
 */
export class Outbox {
  readonly #store: OutboxStore;
  readonly #limits: OutboxLimits;
  readonly #owner: OutboxOwner;
  readonly #queues: OutboxQueues;
  readonly #journal: OutboxJournal;
  readonly #returns: OutboxReturns;
  #state: 'new' | 'running' | 'closed' = 'new';
  #round: NodeJS.Timeout | undefined;
  #rounds = 0;

  constructor(store: OutboxStore, limits: OutboxLimits, owner: OutboxOwner) {
    this.#store = store;
    this.#limits = limits;
    this.#owner = owner;
    this.#queues = new OutboxQueues(owner);
    this.#journal = new OutboxJournal(store, {
      lasts,
      kept: (queue, stanzas, rows) => this.#kept(queue, stanzas, rows),
      failed: (queue, stanzas) => this.#failed(queue, stanzas),
      now: () => owner.now(),
    });
    this.#returns = new OutboxReturns({
      load: (queue) => this.#load(queue),
      undeliverable: (stanza, reason) => owner.undeliverable(stanza, reason),
    });
  }

  /** Takes up what the store holds from before; to be called before anything is put in. What is in doubt comes back. */
  recover(): void {
    const doubtful = recover(this.#store, this.#queues, this.#journal);
    for (const stanza of doubtful) this.#owner.undeliverable(stanza, 'delivery-doubtful');
  }

  /** Hands on what is kept, from now on. */
  start(): void {
    this.#state = 'running';
    this.#round = setInterval(() => this.lookOver(), ROUND_MS);
    for (const queue of this.#queues) {
      if (queue.state === 'down') queue.state = 'open';
      this.#feed(queue);
    }
  }

  /** Stanzas kept, and the age of the oldest that waits, ms; for metrics. */
  get load(): { kept: number; oldestMs: number } {
    let oldest = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues) oldest = Math.min(oldest, queue.oldest);
    const oldestMs = oldest === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#owner.now() - oldest);
    return { kept: this.#queues.held, oldestMs };
  }

  /** Takes a stanza on its way. False where it is taken, but no more should come until the owner is told. */
  put(route: Route, stanza: Stanza): boolean {
    const queue = this.#queues.of(route, this.#state === 'running');
    let more = true;
    if (!lasts(stanza)) this.#pass(queue, stanza);
    else if (this.#isFull(queue, stanza)) more = this.#owner.undeliverable(stanza, 'queue-full');
    else {
      queue.count(1, stanza.bytes.length);
      this.#journal.add(queue, stanza);
    }
    if (queue.state !== 'full' && queue.unkept < UNKEPT && !this.#isCrowded(queue, stanza)) return more;
    queue.pressed = true;
    return false;
  }

  /** The other end takes more, or has gone. */
  room(route: Route): void {
    const queue = this.#queues.find(route);
    if (queue === undefined) {
      // What passed beside the queues may have filled it.
      this.#owner.relieved(route);
      return;
    }
    queue.state = 'open';
    this.#feed(queue);
  }

  /** A stanza that was handed on needs to be kept no longer: it was delivered, or its sender is told otherwise. */
  settle({ kept, bytes }: Stanza): void {
    const queue = kept && this.#queues.get(kept.queue);
    // A home that took it, and then failed to store it, settles it twice.
    if (kept === undefined || !queue?.holds(kept.ticket)) return;
    const change = queue.settle(kept.ticket);
    queue.count(-1, -bytes.length);
    this.#journal.touch(queue, change);
  }

  /** These were handed on and certainly not sent: they wait for room. */
  returned(stanzas: readonly Stanza[]): void {
    const byQueue = Map.groupBy(stanzas, ({ kept }) => kept?.queue ?? -1);
    for (const [id, back] of byQueue) {
      const queue = this.#queues.get(id);
      if (queue === undefined) continue;
      queue.putBack(back);
      this.#down(queue);
      this.#relieve(queue);
    }
  }

  /** What waits on this route comes back to its senders. */
  refuse(route: Route, reason: ReasonCode): void {
    const queue = this.#queues.find(route);
    if (queue === undefined) return;
    queue.state = 'refused';
    this.#returns.refuse(queue, reason, () => {
      queue.state = 'open';
      this.#feed(queue);
    });
  }

  /** What waits for a partner that is none any more comes back to its senders. */
  refuseUnless(known: (partnerDomain: string) => boolean): void {
    for (const queue of this.#queues) {
      if (queue.backlog && !known(queue.route.partner)) this.refuse(queue.route, 'no-partner');
    }
  }

  /** Bounces what has waited too long, and forgets ways that nobody uses; it does so by itself every second. */
  lookOver(): void {
    for (const queue of this.#queues) {
      // What was marked as soon to be sent was not: should we be killed, it is in no doubt.
      if (queue.state !== 'open' && queue.lowerMark()) this.#journal.touch(queue);
    }
    this.#returns.expire(this.#queues, this.#owner.now() - this.#limits.ageMs);
    if (++this.#rounds % SWEEP_ROUNDS === 0) this.#sweep();
  }

  /** Leaves no timer. What is kept stays kept, and is taken up by the next start. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearInterval(this.#round);
    this.#returns.close();
    for (const queue of this.#queues) this.#down(queue);
    this.#journal.close();
  }

  #isFull(queue: OutboxQueue, { type, bytes }: Stanza): boolean {
    return this.#exceeds(queue, bytes.length, type === 'error' ? ERRORS : 1);
  }

  /** Whether errors wait in such numbers that what brings them about should come more slowly. */
  #isCrowded(queue: OutboxQueue, { type }: Stanza): boolean {
    const flows = queue.state === 'open' && (queue.backlog || queue.unkept > 0);
    return type === 'error' && flows && this.#exceeds(queue, 0, 1);
  }

  #exceeds({ holding }: OutboxQueue, more: number, times: number): boolean {
    return holding.messages >= this.#limits.messages * times || holding.bytes + more > this.#limits.bytes * times;
  }

  /** A stanza that nothing keeps goes at once where none of its route is before it, and else behind them. */
  #pass(queue: OutboxQueue, stanza: Stanza): void {
    if (this.#journal.arriving(queue)) this.#journal.add(queue, stanza);
    else if (queue.unkept > 0) {
      queue.unkept++;
      this.#store.whenKept(() => {
        queue.unkept--;
        this.#kept(queue, [stanza], []);
      });
    } else this.#follow(queue, stanza);
  }

  #follow(queue: OutboxQueue, stanza: Stanza): void {
    // Presence says what subscriptions before it made true. An IQ waits nowhere: whoever asks would rather know.
    if (queue.waiting.length > 0 && stanza.name === 'presence' && queue.paged.length === 0) {
      if (queue.spills) this.#owner.undeliverable(stanza, 'queue-full');
      else queue.push(stanza);
    } else if (this.#owner.hand(queue.route, stanza) === 'enough') queue.state = 'full';
  }

  /** What arrived is kept: it waits to be handed on, in memory or, where much waits already, on disk. */
  #kept(queue: OutboxQueue, stanzas: readonly Stanza[], rows: readonly LotRow[]): void {
    const { spills } = queue;
    for (const row of rows) {
      queue.hold(row);
      if (spills) queue.paged.push(row);
    }
    for (const stanza of stanzas) {
      if (!spills) queue.push(stanza);
      else if (stanza.kept === undefined) this.#follow(queue, stanza);
    }
    if (queue.state === 'open') this.#feed(queue);
    else this.#relieve(queue);
  }

  /** What the store does not take is not accepted, and its sender is told; what tells a sender passes unkept. */
  #failed(queue: OutboxQueue, stanzas: readonly Stanza[]): void {
    for (const { kept, ...stanza } of stanzas) {
      if (lasts(stanza)) queue.count(-1, -stanza.bytes.length);
      if (lasts(stanza) && stanza.type !== 'error') this.#owner.undeliverable(stanza, 'store-failed');
      else this.#follow(queue, stanza);
    }
    this.#relieve(queue);
  }

  /** Hands on what waits, as far as it is taken. */
  #feed(queue: OutboxQueue): void {
    if (queue.feeding || this.#state !== 'running') return;
    queue.feeding = true;
    try {
      while (queue.state === 'open' && this.#step(queue));
    } finally {
      queue.feeding = false;
    }
    this.#relieve(queue);
  }

  #relieve(queue: OutboxQueue): void {
    if (!queue.pressed || queue.unkept >= UNKEPT || queue.state === 'full') return;
    if (queue.state === 'open' && queue.backlog) return;
    queue.pressed = false;
    this.#owner.relieved(queue.route);
  }

  /** Hands on the first that waits; false where there is none, or where the store must first know that it may be sent. */
  #step(queue: OutboxQueue): boolean {
    if (queue.waiting.length === 0 && !this.#load(queue)) return false;
    const { kept } = queue.waiting.first as Stanza;
    if (kept !== undefined && !queue.transactional && kept.ticket > queue.mark.kept) {
      this.#markAhead(queue);
      return false;
    }
    const stanza = queue.take() as Stanza;
    const taken = this.#owner.hand(queue.route, stanza);
    if (taken === 'enough') queue.state = 'full';
    else if (taken === 'none') {
      queue.putBack([stanza]);
      this.#down(queue);
    }
    return true;
  }

  #down(queue: OutboxQueue): void {
    queue.state = 'down';
    if (queue.lowerMark()) this.#journal.touch(queue);
  }

  /** Brings the next row into memory; false where nothing waits. */
  #load(queue: OutboxQueue): boolean {
    for (let row = queue.paged.shift(); row !== undefined; row = queue.paged.shift()) {
      for (const stanza of readLot(this.#store, row)) if (stanza !== undefined) queue.push(stanza);
      if (queue.waiting.length > 0) return true;
    }
    return false;
  }

  #markAhead(queue: OutboxQueue): void {
    if (queue.marking) return;
    queue.marking = true;
    const last = Math.min(AHEAD, queue.waiting.length) - 1;
    let ahead = 0;
    // What was given back later stands before what was given back earlier, whatever their tickets.
    for (let index = 0; index <= last; index++) ahead = Math.max(ahead, queue.waiting.at(index)?.kept?.ticket ?? 0);
    this.#journal.markAhead(queue, ahead, () => {
      queue.marking = false;
      this.#feed(queue);
    });
  }

  #sweep(): void {
    for (const queue of this.#queues) {
      if (!queue.idle || this.#journal.owes(queue)) continue;
      this.#queues.forget(queue);
      this.#journal.forget(queue);
    }
  }
}

const SUBSCRIPTIONS: ReadonlySet<string> = new Set(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']);

/** Messages last, and what changes rosters; presence is probed anew after a crash, and who asked a question asks again. */
function lasts({ name, type }: Stanza): boolean {
  return name === 'message' || (name === 'presence' && SUBSCRIPTIONS.has(type));
}
