import type { Fault } from '../../policies/fault.ts';
import type { LotRow, OutboxTable } from '../store/outbox-table.ts';
import { emptyPlaces, packLot } from './outbox-lot.ts';
import type { OutboxQueue } from './outbox-queue.ts';
import type { RowChange } from './outbox-rows.ts';
import type { Stanza } from './stanza.ts';

/** Where the outbox keeps what it holds. */
export interface OutboxStore {
  /** Runs `work` in the next commit; where that fails, `failed` is told. */
  write(work: () => void, failed: (fault: Fault) => void): void;
  /** Calls `then` when everything written before is kept. */
  whenKept(then: () => void): void;
  readonly table: Pick<
    OutboxTable,
    'queues' | 'lots' | 'body' | 'mark' | 'forgetQueue' | 'insert' | 'replace' | 'remove'
  >;
  /** Reads back a stanza from its bytes. */
  read(bytes: Buffer): Stanza;
}

export interface JournalOwner {
  /** Whether a stanza is to be kept at all. */
  lasts(stanza: Stanza): boolean;
  /** These, in order, are kept, in these rows. */
  kept(queue: OutboxQueue, stanzas: readonly Stanza[], rows: readonly LotRow[]): void;
  /** The store does not take these. */
  failed(queue: OutboxQueue, stanzas: readonly Stanza[]): void;
  /** ms since the epoch. */
  now(): number;
}

/** What arrived on one queue in one turn, and what the store is to know with it. */
interface Arrival {
  readonly stanzas: Stanza[];
  readonly rows: LotRow[];
  /** Where they may be handed on as soon as they are kept: the mark that says so is kept then too. */
  marked: (() => void) | undefined;
}

/** What one turn writes, in one transaction where the store takes all of it. */
interface Batch {
  /** Those that last have their tickets once the commit has begun. */
  readonly arrived: Map<OutboxQueue, Arrival>;
  /** Whether anybody waits until it is kept: for what is settled alone no disk need be synced. */
  awaited: boolean;
  /** Set when the commit begins, and then the same however often it is tried. */
  sealed: Sealed | undefined;
  settlesFail: boolean;
  arrivalsFail: boolean;
}

interface Sealed {
  readonly lots: readonly { readonly row: LotRow; readonly body: Buffer }[];
  readonly marks: ReadonlySet<OutboxQueue>;
  readonly changes: ReadonlyMap<number, RowChange>;
  readonly marked: readonly (() => void)[];
}

/** Bytes after which a row is full. */
const LOT_BYTES = 256 * 1024;
/** After the store has failed, ms: disks are not freed in an instant. */
const RETRY_MS = 1_000;

/** Writes the outbox down: what arrives, how far each queue has come, and which rows nobody needs any more. */
export class OutboxJournal {
  /** The next ticket; tickets are never given twice. */
  nextTicket = 1;
  readonly #store: OutboxStore;
  readonly #owner: JournalOwner;
  #batch: Batch | undefined;
  #dirty = new Set<OutboxQueue>();
  #changes = new Map<number, RowChange>();
  /** Told once the marks are kept. */
  #marked: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(store: OutboxStore, owner: JournalOwner) {
    this.#store = store;
    this.#owner = owner;
  }

  /** Whether something of this queue has arrived in this turn. */
  arriving(queue: OutboxQueue): boolean {
    return this.#batch?.arrived.has(queue) === true;
  }

  /** A stanza is written with all others of this turn. */
  add(queue: OutboxQueue, stanza: Stanza): void {
    const { arrived } = this.#await(this.#open());
    const before = arrived.get(queue);
    if (before === undefined) arrived.set(queue, { stanzas: [stanza], rows: [], marked: undefined });
    else before.stanzas.push(stanza);
    queue.unkept++;
  }

  /**
   * How far the queue has come has changed. Written in this very turn: a home that keeps what it was handed does so in
   * the same transaction, and what a crash finds settled nobody doubts.
   */
  touch(queue: OutboxQueue, change?: RowChange): void {
    this.#dirty.add(queue);
    if (change !== undefined) this.#changes.set(change.first, change);
    if ((this.#timer === undefined || queue.transactional) && !this.#closed) this.#open();
  }

  /** Whether something of the queue is still to be written. */
  owes(queue: OutboxQueue): boolean {
    return this.#dirty.has(queue) || queue.unkept > 0 || queue.marking;
  }

  /** Writes down that tickets up to `ahead` may be sent; `then` is told once that is kept, however long it takes. */
  markAhead(queue: OutboxQueue, ahead: number, then: () => void): void {
    const marked = queue.mark.raise(ahead);
    this.#dirty.add(queue);
    this.#marked.push(() => {
      marked();
      then();
    });
    this.#await(this.#open());
  }

  forget({ id }: OutboxQueue): void {
    this.#store.write(
      () => this.#store.table.forgetQueue(id),
      () => undefined,
    );
  }

  /** Writes what is left to write; leaves no timer. */
  close(): void {
    this.#closed = true;
    this.#open();
  }

  #open(): Batch {
    if (this.#batch !== undefined) return this.#batch;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch: Batch = {
      arrived: new Map(),
      awaited: false,
      sealed: undefined,
      settlesFail: false,
      arrivalsFail: false,
    };
    this.#batch = batch;
    // A store that is full still lets go of what is settled, and so makes room.
    this.#store.write(
      () => this.#writeSettled(batch),
      () => this.#settlesFailed(batch),
    );
    this.#store.write(
      () => this.#writeArrived(batch),
      () => this.#arrivalsFailed(batch),
    );
    return this.#marked.length === 0 ? batch : this.#await(batch);
  }

  /** Somebody waits for the batch to be kept. */
  #await(batch: Batch): Batch {
    if (!batch.awaited) this.#store.whenKept(() => this.#kept(batch));
    batch.awaited = true;
    return batch;
  }

  // Within the transaction, which may be tried twice: all but the writing is done once.

  #writeSettled(batch: Batch): void {
    batch.sealed ??= this.#seal(batch);
    for (const change of batch.sealed.changes.values()) this.#change(change);
    for (const queue of batch.sealed.marks) this.#mark(queue);
  }

  #writeArrived(batch: Batch): void {
    batch.sealed ??= this.#seal(batch);
    const { lots, marks } = batch.sealed;
    for (const queue of batch.arrived.keys()) if (batch.settlesFail || !marks.has(queue)) this.#mark(queue);
    for (const { row, body } of lots) this.#store.table.insert(row, body);
  }

  /** Nothing more joins the batch: tickets are given out, and rows cut. */
  #seal(batch: Batch): Sealed {
    this.#batch = undefined;
    const [marks, changes, marked] = [this.#dirty, this.#changes, this.#marked];
    this.#dirty = new Set();
    this.#changes = new Map();
    this.#marked = [];
    const lots: Sealed['lots'][number][] = [];
    for (const [queue, arrival] of batch.arrived) {
      for (const [row, lot] of this.#cut(queue, arrival.stanzas)) {
        arrival.rows.push(row);
        lots.push({ row, body: packLot(lot.map(({ bytes }) => bytes)) });
      }
      // They will be handed on as soon as they are kept, unless something comes between.
      if (queue.state === 'open' && !queue.backlog && !queue.transactional)
        arrival.marked = queue.mark.raise(this.nextTicket - 1);
    }
    return { lots, marks, changes, marked };
  }

  /** Gives tickets to those that last, in place, and says which rows hold them. */
  #cut(queue: OutboxQueue, stanzas: Stanza[]): [LotRow, Stanza[]][] {
    const since = this.#owner.now();
    const lots: Stanza[][] = [];
    let bytes = LOT_BYTES;
    for (const [index, stanza] of stanzas.entries()) {
      if (!this.#owner.lasts(stanza)) continue;
      const kept = { ...stanza, kept: { queue: queue.id, ticket: this.nextTicket++, since } };
      stanzas[index] = kept;
      if (bytes >= LOT_BYTES) {
        lots.push([]);
        bytes = 0;
      }
      lots.at(-1)?.push(kept);
      bytes += stanza.bytes.length;
    }
    return lots.map((lot) => [
      { first: lot[0]?.kept?.ticket ?? 0, queue: queue.id, count: lot.length, at: since },
      lot,
    ]);
  }

  #change({ first, settled }: RowChange): void {
    const { table } = this.#store;
    const body = settled && table.body(first);
    if (settled === undefined) table.remove(first);
    else if (body !== undefined) table.replace(first, emptyPlaces(body, first, settled));
  }

  #mark({ id, name, done, mark }: OutboxQueue): void {
    this.#store.table.mark({ id, name, done, sent: mark.promised });
  }

  #kept({ arrived, sealed, settlesFail, arrivalsFail }: Batch): void {
    if (!settlesFail) for (const then of sealed?.marked ?? []) then();
    if (arrivalsFail) return;
    for (const [queue, { stanzas, rows, marked }] of arrived) {
      queue.unkept -= stanzas.length;
      marked?.();
      this.#owner.kept(queue, stanzas, rows);
    }
  }

  #settlesFailed(batch: Batch): void {
    batch.settlesFail = true;
    batch.sealed ??= this.#seal(batch);
    for (const queue of batch.sealed.marks) this.#dirty.add(queue);
    this.#marked.unshift(...batch.sealed.marked);
    for (const [first, change] of batch.sealed.changes) if (!this.#changes.has(first)) this.#changes.set(first, change);
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => this.#open(), RETRY_MS);
  }

  #arrivalsFailed(batch: Batch): void {
    batch.arrivalsFail = true;
    batch.sealed ??= this.#seal(batch);
    for (const [queue, { stanzas }] of batch.arrived) {
      queue.unkept -= stanzas.length;
      this.#owner.failed(queue, stanzas);
    }
  }
}
