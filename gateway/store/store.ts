import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { asFault, Fault, systemText } from '../../policies/fault.ts';
import { LogSync, type SyncFile } from './log-sync.ts';
import { migrate } from './migrations.ts';
import { makePrivate } from './private-file.ts';
import { failsEveryWork, openingFault, workFault } from './store-fault.ts';

/** Longest wait, in ms, for another process (a command, never a second daemon) to end its transaction: it stalls us. */
const BUSY_MS = 2_000;
const PAGE_BYTES = 4_096;
/** Pages in the log before they go into the database: rare enough not to show, few enough (16 MiB) to take no long. */
const CHECKPOINT_PAGES = 4_096;
/** What the log file shrinks to after a burst, in bytes. */
const LOG_BYTES = 64 * 1024 * 1024;
/** How long a failing store says no more of it: a full one fails a thousand times a second. */
const QUIET_MS = 60_000;
/** Times that `close` commits what callbacks of the commit before wrote. */
const LAST_COMMITS = 16;

export interface StoreOptions {
  /** The database file; made with mode 0600 where there is none, in a folder that must exist. */
  readonly file: string;
  /** `commit`: kept means synced to disk, and survives power loss. `checkpoint`: kept survives the death of the process. */
  readonly fsync: 'commit' | 'checkpoint';
  /** Most bytes of the database; what does not fit fails. A database that is larger already does not grow further. */
  readonly bytes: number;
  /** The wall clock, ms since 1970. */
  now(): number;
  /**
   * Told of what an operator must know: `store-failed` at most once a minute, though each work that failed is told, and
   * `internal` for each work or callback that throws what is no Fault. By default a process warning.
   */
  onFault?(fault: Fault): void;
}

/** How the store meets the system; tests put another in its place. */
export interface StoreSystem {
  readonly syncFile?: SyncFile;
  readonly busyMs?: number;
}

/** What the store did since it was opened, for metrics; `bytes` is the size of the database without its log. */
export interface StoreCounters {
  readonly commits: number;
  readonly works: number;
  readonly failures: number;
  readonly bytes: number;
}

interface Work {
  readonly run: () => void;
  readonly failed: ((fault: Fault) => void) | undefined;
}

interface Waiter {
  /** The number of works written before it. */
  readonly behind: number;
  readonly then: () => void;
}

/**
 * One SQLite file in WAL mode with group commit: the works of one turn of the event loop are one transaction, which runs
 * when the turn's I/O has been read. What waits is bounded by whoever writes: nothing is taken from a peer beyond its
 * window until the store has kept what came before.
 */
export class Store {
  readonly file: string;
  readonly now: () => number;
  readonly #database: DatabaseSync;
  readonly #onFault: (fault: Fault) => void;
  /** Undefined where commits are not synced. */
  readonly #log: LogSync | undefined;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #pageCount: StatementSync;

  #works: Work[] = [];
  #lastWorks: Work[] = [];
  #waiters: Waiter[] = [];
  #turn: NodeJS.Immediate | undefined;
  /** Works ever written, committed (or failed), and kept: each count is of a prefix of the one before. */
  #written = 0;
  #committed = 0;
  #kept = 0;
  #draining = false;
  #closed = false;
  /** A sync failed: what was committed since the last good one may be on disk or not, and stays untold. */
  #broken: Fault | undefined;
  /** When a failure was last said. */
  #said = Number.NEGATIVE_INFINITY;
  #commits = 0;
  #failures = 0;

  /** Opens or makes the store and brings its schema up to date. Throws Fault `store-newer`, `store-unusable`, `store-in-use`. */
  static open(options: StoreOptions, { syncFile, busyMs = BUSY_MS }: StoreSystem = {}): Store {
    let database: DatabaseSync | undefined;
    try {
      makePrivate(options.file);
      database = new DatabaseSync(options.file, { timeout: busyMs });
      return new Store(database, options, syncFile);
    } catch (error) {
      database?.close();
      throw openingFault(options.file, error);
    }
  }

  private constructor(database: DatabaseSync, options: StoreOptions, syncFile: SyncFile | undefined) {
    const { file, fsync, bytes, now, onFault } = options;
    this.file = file;
    this.now = now;
    this.#onFault = onFault ?? ((fault) => process.emitWarning(fault));
    this.#database = database;
    database.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${LOG_BYTES};
      PRAGMA temp_store = MEMORY;
    `);
    const { journal_mode: mode } = database.prepare('PRAGMA journal_mode = WAL').get() ?? {};
    if (mode !== 'wal') throw new Error(`its file system allows no write-ahead log, only ${mode}`);
    const pageBytes = Number(database.prepare('PRAGMA page_size').get()?.page_size);
    migrate(database, file);
    database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(bytes / pageBytes))}`);
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#pageCount = database.prepare(
      'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size',
    );
    this.#log = fsync === 'commit' ? new LogSync(file, syncFile) : undefined;
  }

  /** Set for good once a sync failed: nothing is kept any more, and only a restart finds out what the disk holds. */
  get broken(): Fault | undefined {
    return this.#broken;
  }

  /** Compiles a statement; keep it. Statements that write run only inside a work. */
  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  /**
   * Runs `work` within the next group commit, works in order; what works and callbacks write belongs to the commit after.
   * Where the transaction fails, it is rolled back and each work gets a transaction of its own, so that one that throws or
   * does not fit takes no other down: a work may run twice, and changes nothing but the database. `failed` is told, in
   * order and before any later `then`: `store-failed` (full, disk), `shutting-down` after {@link close}, or what the work
   * threw.
   */
  write(work: () => void, failed?: (fault: Fault) => void): void {
    this.#written += 1;
    this.#works.push({ run: work, failed });
    this.#turn ??= setImmediate(() => this.#commitTurn());
  }

  /**
   * Like {@link write}, but runs behind every work of the same commit: for what counts them, such as the position of a
   * stream. Where works fall back to transactions of their own, a position never gets ahead of what it counts.
   */
  writeLast(work: () => void, failed?: (fault: Fault) => void): void {
    this.#written += 1;
    this.#lastWorks.push({ run: work, failed });
    this.#turn ??= setImmediate(() => this.#commitTurn());
  }

  /**
   * Calls `then`, in order, once everything written before is kept (or was told to have failed); at once, synchronously,
   * where nothing is under way. A commit that nobody waits for is synced with the next that somebody does. Of a store
   * that is broken nothing is kept: then never.
   */
  whenKept(then: () => void): void {
    if (this.#broken !== undefined) return;
    if (this.#kept === this.#written && !this.#draining) then();
    else {
      this.#waiters.push({ behind: this.#written, then });
      this.#sync();
    }
  }

  get counters(): StoreCounters {
    return { commits: this.#commits, works: this.#committed, failures: this.#failures, bytes: this.#bytes() };
  }

  /** Commits and syncs what waits, tells who waits for it, and closes the file. What is written after fails. */
  close(): void {
    if (this.#closed) return;
    for (let round = 0; round < LAST_COMMITS && this.#committed < this.#written; round += 1) {
      this.#commitTurn();
      this.#syncNow();
    }
    this.#syncNow();
    this.#closed = true;
    this.#commitTurn();
    this.#database.close();
    this.#log?.close();
  }

  #commitTurn(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    const works = [...this.#works, ...this.#lastWorks];
    this.#works = [];
    this.#lastWorks = [];
    if (this.#closed || this.#broken !== undefined) this.#failAll(works, this.#broken ?? new Fault('shutting-down'));
    else this.#commitWorks(works);
    this.#committed += works.length;
    if (this.#log === undefined || this.#closed || this.#broken !== undefined) this.#keep(this.#committed);
    else this.#sync();
  }

  #commitWorks(works: readonly Work[]): void {
    try {
      this.#transact(works);
    } catch (error) {
      if (works.length === 1 || failsEveryWork(error)) this.#failAll(works, workFault(this.file, error));
      else for (const work of works) this.#commitWorks([work]);
    }
  }

  #transact(works: readonly Work[]): void {
    this.#begin.run();
    try {
      for (const { run } of works) run();
      this.#commit.run();
    } catch (error) {
      // SQLite itself rolls back where the disk is full.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#commits += 1;
  }

  #failAll(works: readonly Work[], fault: Fault): void {
    this.#failures += works.length;
    this.#report(fault);
    for (const { failed } of works) if (failed !== undefined) this.#call(() => failed(fault));
  }

  #report(fault: Fault): void {
    if (fault.code === 'internal') this.#onFault(fault);
    if (fault.code !== 'store-failed' || this.now() < this.#said + QUIET_MS) return;
    this.#said = this.now();
    this.#onFault(fault);
  }

  /** Syncs what somebody waits for; commits made meanwhile gather behind the next sync. */
  #sync(): void {
    const [first] = this.#waiters;
    if (this.#log === undefined || this.#log.running || first === undefined) return;
    if (first.behind <= this.#kept || first.behind > this.#committed) return;
    const target = this.#committed;
    this.#log.start((error) => {
      if (error !== null) return this.#break(error);
      this.#keep(target);
      this.#sync();
    });
  }

  #syncNow(): void {
    if (this.#broken !== undefined) return;
    try {
      if (this.#committed > this.#kept) this.#log?.now();
      this.#keep(this.#committed);
    } catch (error) {
      this.#break(error);
    }
  }

  /** After a sync that failed the kernel may have dropped what it could not write: no later sync proves anything. */
  #break(cause: unknown): void {
    this.#broken = new Fault('store-failed', `The store ${this.file} cannot be synced: ${systemText(cause)}.`, {
      remedy: 'Check the disk, and restart.',
      cause,
    });
    this.#waiters = [];
    this.#said = this.now();
    this.#onFault(this.#broken);
  }

  #keep(count: number): void {
    this.#kept = Math.max(this.#kept, count);
    if (this.#draining) return;
    this.#draining = true;
    for (let ready = this.#takeReady(); ready.length > 0; ready = this.#takeReady()) {
      for (const { then } of ready) this.#call(then);
    }
    this.#draining = false;
  }

  #takeReady(): Waiter[] {
    const waiting = this.#waiters.findIndex(({ behind }) => behind > this.#kept);
    return this.#waiters.splice(0, waiting < 0 ? this.#waiters.length : waiting);
  }

  /** A callback that throws breaks neither the store nor the callbacks behind it. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#onFault(asFault(error));
    }
  }

  #bytes(): number {
    return this.#closed ? 0 : Number(this.#pageCount.get()?.bytes);
  }
}
