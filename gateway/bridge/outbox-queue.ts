import type { LotRow } from '../store/outbox-table.ts';
import type { Stanza } from './stanza.ts';

/** The way a queue of the outbox leads: `in` to the home, for a partner domain, or `out` from a home domain to one. */
export interface Route {
  readonly direction: 'inbound' | 'outbound';
  readonly home: string;
  readonly partner: string;
}

export function routeName({ direction, home, partner }: Route): string {
  return direction === 'inbound' ? `in ${partner}` : `out ${home} ${partner}`;
}

/** Undoes {@link routeName}. */
export function readRoute(name: string): Route {
  const [direction, ...domains] = name.split(' ');
  if (direction === 'in') return { direction: 'inbound', home: '', partner: domains[0] ?? '' };
  return { direction: 'outbound', home: domains[0] ?? '', partner: domains[1] ?? '' };
}

/** How much is kept for one partner in one direction. */
export interface Holding {
  messages: number;
  bytes: number;
}

/** A row of the outbox, with how many of its stanzas are not settled. */
interface Lot extends LotRow {
  open: number;
}

/** A first-in first-out list that shifts without moving what stands behind. */
export class Line<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  get last(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  pop(): T | undefined {
    return this.length === 0 ? undefined : this.#items.pop();
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined as T;
    if (this.#head > 1024 || this.#head === this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts these before all others, in order. */
  unshift(items: readonly T[]): void {
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  remove(unwanted: (item: T) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter((item) => !unwanted(item));
    this.#head = 0;
  }
}

/** One ordered way through the outbox: what waits on it, what is under way, and which rows hold it. */
export class OutboxQueue {
  readonly id: number;
  readonly name: string;
  readonly route: Route;
  /** Whether what is at the other end takes stanzas now: `full` for the moment not, `down` while no stream stands. */
  state: 'open' | 'full' | 'down' = 'open';
  /** Kept, or behind what is kept, and to be handed on; in memory. */
  readonly waiting = new Line<Stanza>();
  waitingBytes = 0;
  /** Rows behind {@link waiting} that are on disk only. */
  readonly paged = new Line<LotRow>();
  /** Stanzas whose batch is not kept yet. */
  unkept = 0;
  /** What the store knows may have been sent: no later ticket is handed on before it does. */
  marked = 0;
  marking = false;
  feeding = false;
  /** Whether somebody waits to be told that there is room. */
  pressed = false;
  /** What the partner holds in this direction, on all its queues. */
  readonly holding: Holding;
  /** Handed on and not settled. */
  readonly #underWay = new Line<number>();
  readonly #settledEarly = new Set<number>();
  readonly #lots = new Line<Lot>();
  /** The last ticket settled in order. */
  #done: number;
  #sent: number;

  constructor(id: number, route: Route, holding: Holding, { done, sent }: { done: number; sent: number }) {
    this.id = id;
    this.holding = holding;
    this.name = routeName(route);
    this.route = route;
    this.#done = done;
    this.#sent = sent;
    this.marked = sent;
  }

  /** Whether nothing of it is kept. */
  get empty(): boolean {
    return this.#lots.length === 0 && this.waiting.length === 0 && this.unkept === 0;
  }

  get backlog(): boolean {
    return this.waiting.length > 0 || this.paged.length > 0;
  }

  /** Every ticket up to this one is settled. */
  get done(): number {
    const first = Math.min(
      this.#underWay.first ?? Number.POSITIVE_INFINITY,
      this.#firstWaiting() ?? Number.POSITIVE_INFINITY,
    );
    return first === Number.POSITIVE_INFINITY ? this.#done : Math.min(this.#done, first - 1);
  }

  get sent(): number {
    return this.#sent;
  }

  /** A row holds these tickets now; `open` of them are not settled. */
  hold(lot: LotRow, open: number): void {
    this.#lots.push({ ...lot, open });
  }

  push(stanza: Stanza): void {
    this.waiting.push(stanza);
    this.waitingBytes += stanza.bytes.length;
  }

  /** Takes out the first that waits, as one to be handed on. */
  take(): Stanza | undefined {
    const stanza = this.waiting.shift();
    if (stanza === undefined) return undefined;
    this.waitingBytes -= stanza.bytes.length;
    if (stanza.kept !== undefined) {
      this.#underWay.push(stanza.kept.ticket);
      this.#sent = stanza.kept.ticket;
    }
    return stanza;
  }

  /** These were handed on and not taken: they wait again, before all others. */
  putBack(stanzas: readonly Stanza[]): void {
    const tickets = new Set(stanzas.map(({ kept }) => kept?.ticket));
    this.#underWay.remove((ticket) => tickets.has(ticket));
    this.waiting.unshift(stanzas);
    for (const { bytes } of stanzas) this.waitingBytes += bytes.length;
    this.#sent = this.#underWay.last ?? this.#done;
  }

  /** A ticket needs to be kept no longer. Returns the row that held it where it was the last there, to be removed. */
  settle(ticket: number): number | undefined {
    if (this.#underWay.first === ticket) {
      this.#underWay.shift();
      this.#done = Math.max(this.#done, ticket);
      for (let next = this.#underWay.first; next !== undefined && this.#settledEarly.delete(next); ) {
        this.#underWay.shift();
        this.#done = Math.max(this.#done, next);
        next = this.#underWay.first;
      }
    } else this.#settledEarly.add(ticket);
    return this.#unhold(ticket);
  }

  #unhold(ticket: number): number | undefined {
    for (let index = 0; index < this.#lots.length; index++) {
      const lot = this.#lots.at(index) as Lot;
      if (ticket >= lot.first + lot.count) continue;
      if (--lot.open > 0) return undefined;
      if (index === 0) this.#lots.shift();
      else this.#lots.remove((other) => other === lot);
      return lot.first;
    }
    return undefined;
  }

  #firstWaiting(): number | undefined {
    for (let index = 0; index < this.waiting.length; index++) {
      const ticket = this.waiting.at(index)?.kept?.ticket;
      if (ticket !== undefined) return ticket;
    }
    return this.paged.first?.first;
  }
}
