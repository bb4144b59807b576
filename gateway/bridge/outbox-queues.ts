import type { QueueRow } from '../store/outbox-table.ts';
import { type Holding, OutboxQueue } from './outbox-queue.ts';
import { type Route, readRoute, routeName } from './outbox-route.ts';

export interface QueuesOwner {
  /** The policy that speaks of a partner domain: what it may hold is counted by this name. */
  partnerName(domain: string): string;
  /** Whether the other end settles what it is handed in the turn in which it stores it. */
  keeps(route: Route): boolean;
}

/** All queues of the outbox, and what each partner holds on its own. */
export class OutboxQueues {
  readonly #owner: QueuesOwner;
  readonly #byId = new Map<number, OutboxQueue>();
  readonly #byName = new Map<string, OutboxQueue>();
  readonly #holdings = new Map<string, Holding>();
  #next = 1;

  constructor(owner: QueuesOwner) {
    this.#owner = owner;
  }

  [Symbol.iterator](): IterableIterator<OutboxQueue> {
    return this.#byId.values();
  }

  /** Messages held on all queues. */
  get held(): number {
    let held = 0;
    for (const { messages } of this.#holdings.values()) held += messages;
    return held;
  }

  get(id: number): OutboxQueue | undefined {
    return this.#byId.get(id);
  }

  find(route: Route): OutboxQueue | undefined {
    return this.#byName.get(routeName(route));
  }

  /** The queue of a route; a new one is `open` or not. */
  of(route: Route, open: boolean): OutboxQueue {
    return this.find(route) ?? this.#add(route, open, { id: this.#next, done: 0, sent: 0 });
  }

  /** A queue of before, which hands nothing on yet. */
  restore(row: QueueRow): void {
    this.#add(readRoute(row.name), false, row);
  }

  forget({ id, name }: OutboxQueue): void {
    this.#byId.delete(id);
    this.#byName.delete(name);
  }

  #add(route: Route, open: boolean, { id, done, sent }: Omit<QueueRow, 'name'>): OutboxQueue {
    const key = `${route.direction} ${this.#owner.partnerName(route.partner)}`;
    const holding = this.#holdings.get(key) ?? { messages: 0, bytes: 0 };
    this.#holdings.set(key, holding);
    const queue = new OutboxQueue(id, route, { holding, open, transactional: this.#owner.keeps(route), done, sent });
    this.#byId.set(id, queue);
    this.#byName.set(queue.name, queue);
    this.#next = Math.max(this.#next, id + 1);
    return queue;
  }
}
