import type { DatabaseSync } from 'node:sqlite';
import { Fault } from '../../policies/fault.ts';
import { outbox } from './migrations/1-outbox.ts';
import { accounts } from './migrations/2-accounts.ts';
import { clientSessions } from './migrations/3-client-sessions.ts';
import { localUsers } from './migrations/4-local-users.ts';
import type { Migration } from './migrations/migration.ts';

/** All steps, in the order of their versions. */
export const migrations: readonly Migration[] = [outbox, accounts, clientSessions, localUsers];

/**
 * Brings the database up to date, each step in a transaction of its own: a crash in the middle leaves the version before.
 * Throws Fault `store-newer` where the store knows more steps than this build; passes on what SQLite throws.
 */
export function migrate(database: DatabaseSync, file: string, steps: readonly Migration[] = migrations): void {
  const newest = steps.at(-1)?.version ?? 0;
  const found = version(database);
  if (found > newest) {
    throw new Fault('store-newer', `The store ${file} is of version ${found}; this build knows up to ${newest}.`, {
      remedy: 'Run the newer Drawbridge that wrote it, or restore a backup from before the upgrade.',
    });
  }
  for (const step of steps) if (step.version > found) take(database, step);
}

function take(database: DatabaseSync, step: Migration): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    // Another process may have taken it while this one waited for the lock.
    if (version(database) < step.version) {
      database.exec(step.sql);
      database.exec(`PRAGMA user_version = ${step.version}`);
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function version(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}
