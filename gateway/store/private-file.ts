import { chmodSync, closeSync, openSync } from 'node:fs';

/**
 * Makes a database file with mode 0600 before its first byte, or tightens the one that is there. Never opens the latter:
 * closing it again would drop the locks that SQLite holds on it in this process. Throws what the system says.
 */
export function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    chmodSync(file, 0o600);
  }
}
