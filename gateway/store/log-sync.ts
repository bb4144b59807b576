import { close, closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

/** Syncs an open file without blocking, like `fs.fdatasync`. */
export type SyncFile = (file: number, done: (error: Error | null) => void) => void;

/** Brings the write-ahead log of a database to disk, in the thread pool, one sync at a time. */
export class LogSync {
  readonly #log: number;
  readonly #syncFile: SyncFile;
  #running = false;
  #closed = false;

  /** The log of a database that is open. Makes the names of both last as well. Throws what the system says. */
  constructor(databaseFile: string, syncFile: SyncFile = fdatasync) {
    const folder = openSync(dirname(databaseFile), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    this.#syncFile = syncFile;
    this.#log = openSync(`${databaseFile}-wal`, 'r+');
  }

  get running(): boolean {
    return this.#running;
  }

  /** Syncs what is written by now; one must not be running. `done` is not called after {@link close}. */
  start(done: (error: Error | null) => void): void {
    this.#running = true;
    this.#syncFile(this.#log, (error) => {
      this.#running = false;
      if (this.#closed) close(this.#log);
      else done(error);
    });
  }

  /** Syncs what is written by now, blocking. Throws what the system says. */
  now(): void {
    fdatasyncSync(this.#log);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A sync in the thread pool must not meet another file under the same number.
    if (!this.#running) closeSync(this.#log);
  }
}
