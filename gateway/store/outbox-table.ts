import type { StatementSync } from 'node:sqlite';

/** What a queue of the outbox did so far: tickets up to `done` are settled, those up to `sent` may have been sent. */
export interface QueueRow {
  readonly id: number;
  readonly name: string;
  readonly done: number;
  readonly sent: number;
}

/** Some stanzas of one queue with consecutive tickets from `first` on, accepted at `at` (ms since the epoch). */
export interface LotRow {
  readonly first: number;
  readonly queue: number;
  readonly count: number;
  readonly at: number;
}

/** A lot as it stands in the store; `size` are the bytes of its body. */
export interface StoredLot extends LotRow {
  readonly size: number;
}

/** The rows of the outbox. Writes belong into the works of a store. */
export class OutboxTable {
  readonly #statements: Readonly<
    Record<'queues' | 'lots' | 'body' | 'mark' | 'forget' | 'insert' | 'replace' | 'remove', StatementSync>
  >;

  constructor(store: { prepare(sql: string): StatementSync }) {
    this.#statements = {
      queues: store.prepare('SELECT id, name, done, sent FROM outbox_queue'),
      lots: store.prepare('SELECT first, queue, count, at, length(body) AS size FROM outbox_lot ORDER BY first'),
      body: store.prepare('SELECT body FROM outbox_lot WHERE first = ?'),
      mark: store.prepare(
        'INSERT INTO outbox_queue (id, name, done, sent) VALUES (?, ?, ?, ?) ' +
          'ON CONFLICT (id) DO UPDATE SET done = excluded.done, sent = excluded.sent ' +
          // A queue of that name that was to be forgotten, which failed.
          'ON CONFLICT (name) DO UPDATE SET id = excluded.id, done = excluded.done, sent = excluded.sent',
      ),
      forget: store.prepare('DELETE FROM outbox_queue WHERE id = ?'),
      insert: store.prepare('INSERT INTO outbox_lot (first, queue, count, at, body) VALUES (?, ?, ?, ?, ?)'),
      replace: store.prepare('UPDATE outbox_lot SET body = ? WHERE first = ?'),
      remove: store.prepare('DELETE FROM outbox_lot WHERE first = ?'),
    };
  }

  queues(): QueueRow[] {
    return this.#statements.queues.all() as unknown as QueueRow[];
  }

  /** All lots, in the order in which they were accepted. */
  lots(): StoredLot[] {
    return this.#statements.lots.all() as unknown as StoredLot[];
  }

  /** What a lot holds, undefined where there is no such lot. */
  body(first: number): Uint8Array | undefined {
    const row = this.#statements.body.get(first) as { body: Uint8Array } | undefined;
    return row?.body;
  }

  mark({ id, name, done, sent }: QueueRow): void {
    this.#statements.mark.run(id, name, done, sent);
  }

  forgetQueue(id: number): void {
    this.#statements.forget.run(id);
  }

  insert({ first, queue, count, at }: LotRow, body: Uint8Array): void {
    this.#statements.insert.run(first, queue, count, at, body);
  }

  /** Another body for a lot that is there. */
  replace(first: number, body: Uint8Array): void {
    this.#statements.replace.run(body, first);
  }

  remove(first: number): void {
    this.#statements.remove.run(first);
  }
}
