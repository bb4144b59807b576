import type { Migration } from './migration.ts';

/** Local users of the embedded home, with SCRAM verifiers for passwords; the key of the salts that unknown names are shown. */
export const accounts: Migration = {
  version: 2,
  name: 'accounts',
  sql: `
    CREATE TABLE account (
      local TEXT NOT NULL,
      domain TEXT NOT NULL,
      iterations INTEGER NOT NULL,
      sha1_salt BLOB NOT NULL,
      sha1_stored BLOB NOT NULL,
      sha1_server BLOB NOT NULL,
      sha256_salt BLOB NOT NULL,
      sha256_stored BLOB NOT NULL,
      sha256_server BLOB NOT NULL,
      created INTEGER NOT NULL,
      changed INTEGER NOT NULL,
      PRIMARY KEY (domain, local)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE account_decoy (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      key BLOB NOT NULL
    ) STRICT;
    INSERT INTO account_decoy VALUES (1, randomblob(32));
  `,
};
