import type { Migration } from './migration.ts';

/** Sessions of local clients that may be resumed (XEP-0198 §5), and which mailbox rows each was sent at which position. */
export const clientSessions: Migration = {
  version: 3,
  name: 'client sessions',
  sql: `
    CREATE TABLE client_session (
      id TEXT PRIMARY KEY,
      local TEXT NOT NULL,
      domain TEXT NOT NULL,
      resource TEXT NOT NULL,
      account_changed INTEGER NOT NULL,
      handled INTEGER NOT NULL,
      remembered TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE client_session_mail (
      session TEXT NOT NULL,
      position INTEGER NOT NULL,
      mail INTEGER NOT NULL,
      PRIMARY KEY (session, position)
    ) STRICT, WITHOUT ROWID;
  `,
};
