import type { Migration } from './migration.ts';

/** Messages accepted and not yet delivered, in lots of one queue; what a queue did so far; positions of s2s streams. */
export const outbox: Migration = {
  version: 1,
  name: 'outbox',
  sql: `
    CREATE TABLE outbox_queue (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      done INTEGER NOT NULL DEFAULT 0,
      sent INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE outbox_lot (
      first INTEGER PRIMARY KEY,
      queue INTEGER NOT NULL,
      count INTEGER NOT NULL,
      at INTEGER NOT NULL,
      body BLOB NOT NULL
    );
    CREATE TABLE stream_session (
      id TEXT PRIMARY KEY,
      partner TEXT NOT NULL,
      home TEXT NOT NULL,
      handled INTEGER NOT NULL,
      expires INTEGER NOT NULL
    ) WITHOUT ROWID;
  `,
};
