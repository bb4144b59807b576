import type { ReasonCode } from '../../policies/reasons.ts';
import type { LotRow } from '../store/outbox-table.ts';
import { OutboxJournal, type OutboxStore } from './outbox-journal.ts';
import { unpackLot } from './outbox-lot.ts';
import { type Holding, OutboxQueue, type Route, readRoute, routeName } from './outbox-queue.ts';
import type { Taken } from './ports.ts';
import { mayRepeat, type Stanza } from './stanza.ts';

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
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
  /** Whoever fills this route may go on. */
  relieved(route: Route): void;
  /** The policy that speaks of a partner domain: what it may hold is counted by this name. */
  partnerName(domain: string): string;
  /** ms since the epoch. */
  now(): number;
}

/** Bytes of one queue in memory; what comes behind them is read from disk when its turn comes. */
const MEMORY_BYTES = 256 * 1024;
/** Stanzas of one queue on their way to the disk, after which whoever brings them should pause. */
const UNKEPT = 2_000;
/** Stanzas marked ahead as perhaps sent: what a crash may leave in doubt though it was not sent. */
const AHEAD = 500;
/** How often ages are looked at, ms. */
const ROUND_MS = 1_000;
/** Rounds between two looks for queues that nobody uses. */
const SWEEP_ROUNDS = 60;
/** After the store has failed, ms: disks are not freed in an instant. */
const RETRY_MS = 1_000;

/**
 * Keeps what must not be lost until the other side has taken it: nothing is handed on, and nothing acknowledged, before
 * the store has it. In order per {@link Route}. What a crash leaves in doubt comes back to its sender.
 */
export class Outbox {
  readonly #store: OutboxStore;
  readonly #limits: OutboxLimits;
  readonly #owner: OutboxOwner;
  readonly #queues = new Map<number, OutboxQueue>();
  readonly #byName = new Map<string, OutboxQueue>();
  readonly #holdings = new Map<string, Holding>();
  readonly #journal: OutboxJournal;
  #nextQueue = 1;
  #round: NodeJS.Timeout | undefined;
  #rounds = 0;
  readonly #retries = new Set<NodeJS.Timeout>();
  #closed = false;

  constructor(store: OutboxStore, limits: OutboxLimits, owner: OutboxOwner) {
    this.#store = store;
    this.#limits = limits;
    this.#owner = owner;
    this.#journal = new OutboxJournal(store, {
      lasts,
      kept: (queue, stanzas, rows) => this.#kept(queue, stanzas, rows),
      failed: (queue, stanzas) => this.#failed(queue, stanzas),
      now: () => owner.now(),
    });
  }

  /** Takes up what the store holds from before: what is in doubt comes back, the rest is handed on. */
  start(): void {
    const { table } = this.#store;
    const journal = this.#journal;
    for (const row of table.queues()) {
      this.#add(row.id, readRoute(row.name), row);
      this.#nextQueue = Math.max(this.#nextQueue, row.id + 1);
      journal.nextTicket = Math.max(journal.nextTicket, row.done + 1, row.sent + 1);
    }
    const lots = table.lots();
    for (const { first, count } of lots) journal.nextTicket = Math.max(journal.nextTicket, first + count);
    for (const [id, held] of Map.groupBy(lots, ({ queue }) => queue)) {
      const queue = this.#queues.get(id);
      if (queue !== undefined) this.#recover(queue, held);
    }
    for (const queue of this.#byName.values()) this.#feed(queue);
    this.#round = setInterval(() => this.lookOver(), ROUND_MS);
  }

  /** Stanzas kept, and the age of the oldest that waits, ms; for metrics. */
  get load(): { kept: number; oldestMs: number } {
    let kept = 0;
    for (const { messages } of this.#holdings.values()) kept += messages;
    let oldest = Number.POSITIVE_INFINITY;
    for (const queue of this.#byName.values()) oldest = Math.min(oldest, firstSince(queue));
    return { kept, oldestMs: oldest === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#owner.now() - oldest) };
  }

  /** Takes a stanza on its way. False where it is taken, but no more should come until the owner is told. */
  put(route: Route, stanza: Stanza): boolean {
    const queue = this.#queue(route);
    if (lasts(stanza)) {
      const { messages, bytes } = queue.holding;
      const full = messages >= this.#limits.messages || bytes + stanza.bytes.length > this.#limits.bytes;
      if (full) this.#owner.undeliverable(stanza, 'queue-full');
      else {
        hold(queue, 1, stanza.bytes.length);
        this.#journal.add(queue, stanza);
      }
    } else this.#pass(queue, stanza);
    if (queue.state !== 'full' && queue.unkept < UNKEPT) return true;
    queue.pressed = true;
    return false;
  }

  /** The other end takes more, or has gone. */
  room(route: Route): void {
    const queue = this.#byName.get(routeName(route));
    if (queue === undefined) return;
    queue.state = 'open';
    this.#feed(queue);
  }

  /** A stanza that was handed on needs to be kept no longer: it was delivered, or its sender is told otherwise. */
  settle({ kept, bytes }: Stanza): void {
    const queue = kept && this.#queues.get(kept.queue);
    if (kept === undefined || queue === undefined) return;
    const emptied = queue.settle(kept.ticket);
    hold(queue, -1, -bytes.length);
    this.#journal.touch(queue, emptied);
  }

  /** These were handed on and certainly not sent: they wait for room. */
  returned(stanzas: readonly Stanza[]): void {
    const byQueue = Map.groupBy(stanzas, ({ kept }) => kept?.queue ?? -1);
    for (const [index, back] of byQueue) {
      const queue = this.#queues.get(index);
      if (queue === undefined) continue;
      queue.putBack(back);
      this.#down(queue);
      this.#relieve(queue);
    }
  }

  /** What waits on this route comes back to its senders. */
  refuse(route: Route, reason: ReasonCode): void {
    const queue = this.#byName.get(routeName(route));
    if (queue === undefined) return;
    queue.state = 'open';
    this.#turnBack(queue, reason, () => true);
    this.#relieve(queue);
  }

  /** What waits for a partner that is none any more comes back to its senders. */
  refuseUnless(known: (partnerDomain: string) => boolean): void {
    for (const queue of this.#byName.values()) {
      if (queue.backlog && !known(queue.route.partner)) this.refuse(queue.route, 'no-partner');
    }
  }

  /** Bounces what has waited too long, and forgets ways that nobody uses; it does so by itself every second. */
  lookOver(): void {
    const tooOld = this.#owner.now() - this.#limits.ageMs;
    for (const queue of this.#byName.values()) {
      const reason = queue.route.direction === 'inbound' ? 'home-unavailable' : 'queue-expired';
      if (firstSince(queue) <= tooOld) this.#turnBack(queue, reason, ({ kept }) => (kept?.since ?? 0) <= tooOld);
    }
    if (++this.#rounds % SWEEP_ROUNDS === 0) this.#sweep();
  }

  /** Leaves no timer. What is kept stays kept, and is taken up by the next start. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#round);
    for (const retry of this.#retries) clearTimeout(retry);
    this.#journal.close();
  }

  #recover(queue: OutboxQueue, lots: readonly LotRow[]): void {
    const { done, sent } = queue;
    let doubtful = 0;
    for (const lot of lots) {
      const last = lot.first + lot.count - 1;
      const stanzas = last <= done ? [] : this.#read(queue, lot).filter(({ kept }) => (kept?.ticket ?? 0) > done);
      if (stanzas.length === 0) {
        this.#journal.touch(queue, lot.first);
        continue;
      }
      queue.hold(lot, stanzas.length);
      for (const { bytes } of stanzas) hold(queue, 1, bytes.length);
      doubtful += stanzas.filter(({ kept }) => (kept?.ticket ?? 0) <= sent).length;
      if (lot.first > sent && queue.waitingBytes > MEMORY_BYTES) queue.paged.push(lot);
      else for (const stanza of stanzas) queue.push(stanza);
    }
    const inDoubt = Array.from({ length: doubtful }, () => queue.take() as Stanza);
    queue.putBack(inDoubt.filter(mayRepeat));
    for (const stanza of inDoubt) if (!mayRepeat(stanza)) this.#owner.undeliverable(stanza, 'delivery-doubtful');
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
    if (queue.backlog && stanza.name === 'presence' && queue.paged.length === 0) {
      if (queue.waitingBytes <= MEMORY_BYTES) queue.push(stanza);
      else this.#owner.undeliverable(stanza, 'queue-full');
    } else if (this.#owner.hand(queue.route, stanza) === 'enough') queue.state = 'full';
  }

  /** What arrived is kept: it waits to be handed on, in memory or, where much waits already, on disk. */
  #kept(queue: OutboxQueue, stanzas: readonly Stanza[], rows: readonly LotRow[]): void {
    const paged = queue.paged.length > 0 || queue.waitingBytes > MEMORY_BYTES;
    for (const row of rows) {
      queue.hold(row, row.count);
      if (paged) queue.paged.push(row);
    }
    for (const stanza of stanzas) {
      if (!paged) queue.push(stanza);
      else if (stanza.kept === undefined) this.#follow(queue, stanza);
    }
    if (queue.state === 'open') this.#feed(queue);
    else this.#relieve(queue);
  }

  /** What the store does not take is not accepted, and its sender is told; what tells a sender passes unkept. */
  #failed(queue: OutboxQueue, stanzas: readonly Stanza[]): void {
    for (const { kept, ...stanza } of stanzas) {
      if (lasts(stanza)) hold(queue, -1, -stanza.bytes.length);
      if (lasts(stanza) && stanza.type !== 'error') this.#owner.undeliverable(stanza, 'store-failed');
      else this.#follow(queue, stanza);
    }
    this.#relieve(queue);
  }

  /** Hands on what waits, as far as it is taken. */
  #feed(queue: OutboxQueue): void {
    if (queue.feeding || this.#closed) return;
    queue.feeding = true;
    while (queue.state === 'open' && this.#step(queue));
    queue.feeding = false;
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
    if (kept !== undefined && kept.ticket > queue.marked) {
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
    queue.marked = queue.sent;
    this.#journal.touch(queue);
  }

  /** Brings the next row into memory; false where there is none. */
  #load(queue: OutboxQueue): boolean {
    for (let lot = queue.paged.shift(); lot !== undefined; lot = queue.paged.shift()) {
      for (const stanza of this.#read(queue, lot)) queue.push(stanza);
      if (queue.waiting.length > 0) return true;
    }
    return false;
  }

  #read(queue: OutboxQueue, { first, at }: LotRow): Stanza[] {
    const body = this.#store.table.body(first);
    if (body === undefined) return [];
    return [...unpackLot(body)].map((bytes, offset) => ({
      ...this.#store.read(bytes),
      kept: { queue: queue.id, ticket: first + offset, since: at },
    }));
  }

  #markAhead(queue: OutboxQueue): void {
    if (queue.marking) return;
    queue.marking = true;
    const last = Math.min(AHEAD, queue.waiting.length) - 1;
    let ahead = 0;
    for (let index = 0; index <= last; index++) ahead = queue.waiting.at(index)?.kept?.ticket ?? ahead;
    this.#journal.markAhead(queue, ahead, (kept) => {
      queue.marking = false;
      if (kept) {
        queue.marked = Math.max(queue.marked, ahead);
        this.#feed(queue);
      } else this.#later(() => this.#feed(queue));
    });
  }

  #later(then: () => void): void {
    if (this.#closed) return;
    const retry = setTimeout(() => {
      this.#retries.delete(retry);
      then();
    }, RETRY_MS);
    this.#retries.add(retry);
  }

  /** Takes back from the front what `unwanted` holds for. */
  #turnBack(queue: OutboxQueue, reason: ReasonCode, unwanted: (stanza: Stanza) => boolean): void {
    while (queue.waiting.length > 0 || this.#load(queue)) {
      if (!unwanted(queue.waiting.first as Stanza)) return;
      this.#owner.undeliverable(queue.take() as Stanza, reason);
    }
  }

  #sweep(): void {
    for (const queue of this.#byName.values()) {
      if (!queue.empty || this.#journal.owes(queue)) continue;
      this.#byName.delete(queue.name);
      this.#queues.delete(queue.id);
      this.#journal.forget(queue);
    }
  }

  #queue(route: Route): OutboxQueue {
    return this.#byName.get(routeName(route)) ?? this.#add(this.#nextQueue++, route, { done: 0, sent: 0 });
  }

  #add(id: number, route: Route, marks: { done: number; sent: number }): OutboxQueue {
    const key = `${route.direction} ${this.#owner.partnerName(route.partner)}`;
    const holding = this.#holdings.get(key) ?? { messages: 0, bytes: 0 };
    this.#holdings.set(key, holding);
    const queue = new OutboxQueue(id, route, holding, marks);
    this.#queues.set(id, queue);
    this.#byName.set(queue.name, queue);
    return queue;
  }
}

const SUBSCRIPTIONS: ReadonlySet<string> = new Set(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed']);

/** Messages last, and what changes rosters; presence is probed anew after a crash, and who asked a question asks again. */
function lasts({ name, type }: Stanza): boolean {
  return name === 'message' || (name === 'presence' && SUBSCRIPTIONS.has(type));
}

function firstSince(queue: OutboxQueue): number {
  return queue.waiting.first?.kept?.since ?? queue.paged.first?.at ?? Number.POSITIVE_INFINITY;
}

function hold({ holding }: OutboxQueue, messages: number, bytes: number): void {
  holding.messages += messages;
  holding.bytes += bytes;
}
