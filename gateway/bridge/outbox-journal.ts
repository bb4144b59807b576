import type { Fault } from '../../policies/fault.ts';
import type { LotRow, OutboxTable } from '../store/outbox-table.ts';
import { packLot } from './outbox-lot.ts';
import type { OutboxQueue } from './outbox-queue.ts';
import type { Stanza } from './stanza.ts';

/** Where the outbox keeps what it holds. */
export interface OutboxStore {
  /** Runs `work` in the next commit; where that fails, `failed` is told. */
  write(work: () => void, failed: (fault: Fault) => void): void;
  /** Calls `then` when everything written before is kept. */
  whenKept(then: () => void): void;
  readonly table: Pick<OutboxTable, 'queues' | 'lots' | 'body' | 'mark' | 'forgetQueue' | 'insert' | 'remove'>;
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

/** What arrives in one turn and is written in one transaction. */
interface Batch {
  /** By queue; those that last have their tickets once the commit has begun. */
  readonly arrived: Map<OutboxQueue, Stanza[]>;
  /** Set when the commit begins, and then the same however often it is tried. */
  sealed: Sealed | undefined;
  failed: boolean;
}

interface Sealed {
  readonly lots: readonly { readonly row: LotRow; readonly body: Buffer }[];
  readonly marks: ReadonlySet<OutboxQueue>;
  readonly removed: ReadonlySet<number>;
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
  #removed = new Set<number>();
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
    const batch = this.#open();
    const { arrived } = batch;
    // Nobody waits for a batch of marks alone: no disk need be synced for it.
    if (arrived.size === 0) this.#store.whenKept(() => this.#kept(batch));
    const before = arrived.get(queue);
    if (before === undefined) arrived.set(queue, [stanza]);
    else before.push(stanza);
    queue.unkept++;
  }

  /**
   * How far the queue has come has changed. Written in this very turn: a home that keeps what it was handed does so in
   * the same transaction, and what a crash finds settled nobody doubts.
   */
  touch(queue: OutboxQueue, removedRow?: number): void {
    this.#dirty.add(queue);
    if (removedRow !== undefined) this.#removed.add(removedRow);
    if (this.#timer === undefined && !this.#closed) this.#open();
  }

  /** Whether something of the queue is still to be written. */
  owes(queue: OutboxQueue): boolean {
    return this.#dirty.has(queue) || queue.unkept > 0 || queue.marking;
  }

  /** Writes down that tickets up to `ahead` may be sent; `then` is told whether that is kept. */
  markAhead(queue: OutboxQueue, ahead: number, then: (kept: boolean) => void): void {
    let kept = true;
    this.#store.write(
      () => this.#mark(queue, ahead),
      () => {
        kept = false;
      },
    );
    this.#store.whenKept(() => then(kept));
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
    const batch: Batch = { arrived: new Map(), sealed: undefined, failed: false };
    this.#batch = batch;
    this.#store.write(
      () => this.#commit(batch),
      () => this.#failed(batch),
    );
    return batch;
  }

  /** Within the transaction, which may be tried twice: all but the writing is done once. */
  #commit(batch: Batch): void {
    batch.sealed ??= this.#seal(batch);
    const { table } = this.#store;
    for (const { row, body } of batch.sealed.lots) table.insert(row, body);
    for (const first of batch.sealed.removed) table.remove(first);
    for (const queue of batch.sealed.marks) this.#mark(queue, Math.max(queue.marked, queue.sent));
  }

  /** Nothing more joins the batch: tickets are given out, and rows cut. */
  #seal(batch: Batch): Sealed {
    this.#batch = undefined;
    const [marks, removed] = [this.#dirty, this.#removed];
    this.#dirty = new Set();
    this.#removed = new Set();
    const lots: Sealed['lots'][number][] = [];
    for (const [queue, stanzas] of batch.arrived) {
      marks.add(queue);
      for (const [row, lot] of this.#cut(queue, stanzas)) lots.push({ row, body: packLot(lot) });
      // They will be handed on as soon as they are kept, unless something comes between.
      if (queue.state === 'open' && !queue.backlog && !queue.marking) queue.marked = this.nextTicket - 1;
    }
    return { lots, marks, removed };
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

  #mark({ id, name, done }: OutboxQueue, sent: number): void {
    this.#store.table.mark({ id, name, done, sent });
  }

  #kept(batch: Batch): void {
    if (batch.failed) return;
    const rows = Map.groupBy(batch.sealed?.lots.map(({ row }) => row) ?? [], ({ queue }) => queue);
    for (const [queue, stanzas] of batch.arrived) {
      queue.unkept -= stanzas.length;
      this.#owner.kept(queue, stanzas, rows.get(queue.id) ?? []);
    }
  }

  #failed(batch: Batch): void {
    batch.failed = true;
    batch.sealed ??= this.#seal(batch);
    for (const queue of batch.sealed.marks) this.#dirty.add(queue);
    for (const first of batch.sealed.removed) this.#removed.add(first);
    for (const [queue, stanzas] of batch.arrived) {
      queue.unkept -= stanzas.length;
      this.#owner.failed(queue, stanzas);
    }
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => this.#open(), RETRY_MS);
  }
}
