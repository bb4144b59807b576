import type { Migration } from './migration.ts';

/** What belongs to local users of the embedded home, by bare address: rosters, messages that wait, vCards. */
export const localUsers: Migration = {
  version: 4,
  name: 'local users',
  sql: `
    CREATE TABLE roster (
      user TEXT PRIMARY KEY,
      version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE roster_item (
      user TEXT NOT NULL,
      contact TEXT NOT NULL,
      state TEXT NOT NULL,
      listed INTEGER NOT NULL,
      approved INTEGER NOT NULL,
      name TEXT NOT NULL,
      groups TEXT NOT NULL,
      request BLOB,
      PRIMARY KEY (user, contact)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mailbox (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      user TEXT NOT NULL,
      received INTEGER NOT NULL,
      stanza BLOB NOT NULL
    ) STRICT;
    CREATE INDEX mailbox_user ON mailbox (user);
    CREATE TABLE vcard (
      user TEXT PRIMARY KEY,
      prefixes TEXT NOT NULL,
      content TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Commands in other processes remove users too.
    CREATE TRIGGER account_removed AFTER DELETE ON account BEGIN
      DELETE FROM roster WHERE user = old.local || '@' || old.domain;
      DELETE FROM roster_item WHERE user = old.local || '@' || old.domain;
      DELETE FROM mailbox WHERE user = old.local || '@' || old.domain;
      DELETE FROM vcard WHERE user = old.local || '@' || old.domain;
    END;
  `,
};
