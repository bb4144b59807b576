import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../../policies/fault.ts';
import { makePrivate } from './private-file.ts';
import { isBusy, openingFault } from './store-fault.ts';

/**
 * Keeps a second daemon out of a state folder: an empty database that is held locked. The kernel lets go of the lock
 * when the process ends, however it ends, so no stale lock is ever left.
 */
export class DaemonLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Takes the lock of the folder, at once. Throws Fault `store-in-use` where another daemon has it, or `store-unusable`. */
  static take(folder: string): DaemonLock {
    const file = join(folder, 'daemon.lock');
    let database: DatabaseSync | undefined;
    try {
      makePrivate(file);
      database = new DatabaseSync(file, { timeout: 0 });
      database.exec('BEGIN EXCLUSIVE');
      return new DaemonLock(database);
    } catch (error) {
      database?.close();
      if (!isBusy(error)) throw openingFault(file, error);
      throw new Fault('store-in-use', `Another Drawbridge runs with the state folder ${folder}.`, {
        remedy: 'Stop it, or give this one a `state` folder of its own.',
        cause: error,
      });
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
