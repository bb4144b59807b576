import { asFault, Fault, systemText } from '../../policies/fault.ts';

/** SQLite's primary result codes that say something of the file, not of the statement (sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** The primary result code of an error of SQLite; undefined for any other error. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** Another connection holds the database for longer than the busy timeout. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** No transaction has a chance: the disk, the file or its lock fails, whatever the work. A full store is not among them. */
export function failsEveryWork(error: unknown): boolean {
  const code = resultCode(error);
  return (
    code === IOERR || code === CORRUPT || code === READONLY || code === CANTOPEN || code === NOTADB || isBusy(error)
  );
}

/** Why opening the store failed, as a Fault `store-in-use` or `store-unusable` with what helps. */
export function openingFault(file: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  if (isBusy(cause)) {
    return new Fault('store-in-use', `The store ${file} is held by another process.`, {
      remedy: 'Wait until the other command has ended, and try again.',
      cause,
    });
  }
  const code = resultCode(cause);
  const damaged = code === NOTADB || code === CORRUPT;
  const problem = damaged ? 'is damaged or no database' : `cannot be used: ${systemText(cause)}`;
  return new Fault('store-unusable', `The store ${file} ${problem}.`, {
    remedy: damaged
      ? 'Restore it from a backup, or move it away with its -wal and -shm files: the next start makes a new one.'
      : 'Check the path, who may write it and the space on the disk.',
    cause,
  });
}

/** Why a work was not kept: a Fault of the work's own as thrown, else `store-failed`, or `internal` for a defect. */
export function workFault(file: string, error: unknown): Fault {
  const code = resultCode(error);
  if (code === FULL) {
    return new Fault('store-failed', `The store ${file} is full.`, {
      remedy: 'Free space on the disk, or raise `store.bytes`.',
      cause: error,
    });
  }
  if (!failsEveryWork(error)) return asFault(error);
  return new Fault('store-failed', `The store ${file} cannot be written: ${systemText(error)}.`, {
    remedy: isBusy(error) ? 'End the other command that holds it.' : 'Check the disk; restart when it is repaired.',
    cause: error,
  });
}
