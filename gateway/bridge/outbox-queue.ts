import type { LotRow } from '../store/outbox-table.ts';
import { Line } from './line.ts';
import { SentMark } from './outbox-mark.ts';
import { type Route, routeName } from './outbox-route.ts';
import { HeldRows, type RowChange } from './outbox-rows.ts';
import type { Stanza } from './stanza.ts';

/** How much is kept for one partner in one direction. */
export interface Holding {
  messages: number;
  bytes: number;
}

/** Bytes of one queue in memory; what comes behind them is read from disk when its turn comes. */
const MEMORY_BYTES = 256 * 1024;

/** One ordered way through the outbox: what waits on it, what is under way, and which rows hold it. */
export class OutboxQueue {
  readonly id: number;
  readonly name: string;
  readonly route: Route;
  /** Whether what is handed on is settled in the turn in which it is taken: then nothing that is not was sent. */
  readonly transactional: boolean;
  /**
   * Whether what is at the other end takes stanzas now: `full` for the moment not, `down` while no stream stands,
   * `refused` while what waits comes back.
   */
  state: 'open' | 'full' | 'down' | 'refused';
  /** Kept, or behind what is kept, and to be handed on; in memory. */
  readonly waiting = new Line<Stanza>();
  #waitingBytes = 0;
  /** Rows behind {@link waiting} that are on disk only. */
  readonly paged = new Line<LotRow>();
  /** Stanzas whose batch is not kept yet. */
  unkept = 0;
  readonly mark: SentMark;
  /** Whether the mark is being raised for what waits. */
  marking = false;
  feeding = false;
  /** Whether somebody waits to be told that there is room. */
  pressed = false;
  /** What the partner holds in this direction, on all its queues. */
  readonly holding: Readonly<Holding>;
  readonly #holding: Holding;
  readonly #rows: HeldRows;
  /** Tickets handed on and not settled. */
  readonly #underWay = new Set<number>();

  /** `open`: whether what it holds may be handed on. `done` and `sent` as they stand in the store. */
  constructor(
    id: number,
    route: Route,
    {
      holding,
      open,
      transactional,
      done,
      sent,
    }: { holding: Holding; open: boolean; transactional: boolean; done: number; sent: number },
  ) {
    this.id = id;
    this.name = routeName(route);
    this.route = route;
    this.state = open ? 'open' : 'down';
    this.transactional = transactional;
    this.holding = holding;
    this.#holding = holding;
    this.mark = new SentMark(sent);
    this.#rows = new HeldRows(done);
  }

  /** Whether nothing of it is kept, and nobody waits for it. */
  get idle(): boolean {
    const waits = this.waiting.length > 0 || this.unkept > 0 || this.pressed || this.state === 'full';
    return this.#rows.empty && !waits;
  }

  get backlog(): boolean {
    return this.waiting.length > 0 || this.paged.length > 0;
  }

  /** Whether memory holds enough: what comes now is read from disk when its turn comes. */
  get spills(): boolean {
    return this.paged.length > 0 || this.#waitingBytes > MEMORY_BYTES;
  }

  /** Every ticket up to this one is settled. */
  get done(): number {
    return this.#rows.done;
  }

  /** When the oldest that waits was accepted, ms since the epoch; infinite where none does. */
  get oldest(): number {
    for (let index = 0; index < this.waiting.length; index++) {
      const since = this.waiting.at(index)?.kept?.since;
      if (since !== undefined) return since;
    }
    return this.paged.first?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Counts what the partner holds: so much more, or less. */
  count(messages: number, bytes: number): void {
    this.#holding.messages += messages;
    this.#holding.bytes += bytes;
  }

  /** A row holds its tickets now, behind all others; what lies before `next` is settled already. */
  hold(row: LotRow, next = row.first): void {
    this.#rows.add(row, next);
  }

  push(stanza: Stanza): void {
    this.waiting.push(stanza);
    this.#waitingBytes += stanza.bytes.length;
  }

  /** Takes out the first that waits. */
  shift(): Stanza | undefined {
    const stanza = this.waiting.shift();
    if (stanza !== undefined) this.#waitingBytes -= stanza.bytes.length;
    return stanza;
  }

  /** Takes out the first that waits, as one to be handed on. */
  take(): Stanza | undefined {
    const stanza = this.shift();
    if (stanza?.kept !== undefined) this.#underWay.add(stanza.kept.ticket);
    return stanza;
  }

  /** These were handed on and not taken: they wait again, before all others. */
  putBack(stanzas: readonly Stanza[]): void {
    this.waiting.unshift(stanzas);
    for (const { kept, bytes } of stanzas) {
      this.#waitingBytes += bytes.length;
      if (kept !== undefined) this.#underWay.delete(kept.ticket);
    }
  }

  /** Nothing was sent but what is under way. True where the store is to know. */
  lowerMark(): boolean {
    let sent = this.#rows.done;
    for (const ticket of this.#underWay) sent = Math.max(sent, ticket);
    return this.mark.lower(sent);
  }

  holds(ticket: number): boolean {
    return this.#rows.holds(ticket);
  }

  /** A ticket that it holds need be kept no longer. Returns what is to change in the row that held it. */
  settle(ticket: number): RowChange | undefined {
    this.#underWay.delete(ticket);
    return this.#rows.settle(ticket);
  }
}
