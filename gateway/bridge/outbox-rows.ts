import type { LotRow } from '../store/outbox-table.ts';
import { Line } from './line.ts';

/** A row of the outbox, and which of its tickets are settled: those before `next`, and those of `early`. */
interface Held extends LotRow {
  next: number;
  open: number;
  early: Set<number> | undefined;
}

/** What is to be changed in the store about a row. */
export interface RowChange {
  readonly first: number;
  /** Tickets that are settled ahead of others of the row; undefined where all are, and the row may go. */
  readonly settled: ReadonlySet<number> | undefined;
}

/** The rows that hold what one queue has not settled, in the order of their tickets. */
export class HeldRows {
  readonly #rows = new Line<Held>();
  /** The last ticket that was ever settled. */
  #highest: number;

  /** Up to `done` all is settled. */
  constructor(done: number) {
    this.#highest = done;
  }

  get empty(): boolean {
    return this.#rows.length === 0;
  }

  /** Every ticket up to this one is settled. */
  get done(): number {
    const { first } = this.#rows;
    return first === undefined ? this.#highest : first.next - 1;
  }

  /** A row holds these tickets now, behind all others; what lies before `next` is settled already. */
  add(row: LotRow, next = row.first): void {
    this.#rows.push({ ...row, next, open: row.first + row.count - next, early: undefined });
  }

  /** Whether a ticket is held, and not settled. */
  holds(ticket: number): boolean {
    const row = this.#rowOf(ticket);
    return row !== undefined && ticket >= row.next && row.early?.has(ticket) !== true;
  }

  /** Settles a ticket that is held. Returns what the store must know about its row, beyond how far all is settled. */
  settle(ticket: number): RowChange | undefined {
    const row = this.#rowOf(ticket) as Held;
    this.#highest = Math.max(this.#highest, ticket);
    row.open--;
    if (row.open > 0 && (row !== this.#rows.first || ticket !== row.next)) {
      row.early ??= new Set();
      return { first: row.first, settled: row.early.add(ticket) };
    }
    row.next++;
    this.#advance();
    return row.open === 0 ? { first: row.first, settled: undefined } : undefined;
  }

  /** The first row is the first that is open, and its next ticket is open. A row that is empty stands on until then. */
  #advance(): void {
    while (this.#rows.first?.open === 0) this.#rows.shift();
    const { first } = this.#rows;
    while (first?.early?.delete(first.next)) first.next++;
  }

  /** By halving: what is settled is nearly always held by the first. */
  #rowOf(ticket: number): Held | undefined {
    const { first } = this.#rows;
    if (first === undefined || ticket < first.first) return undefined;
    let [low, high] = [0, this.#rows.length - 1];
    if (ticket < first.first + first.count) high = 0;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (ticket < (this.#rows.at(middle) as Held).first) high = middle - 1;
      else low = middle;
    }
    const row = this.#rows.at(low) as Held;
    return ticket < row.first + row.count ? row : undefined;
  }
}
