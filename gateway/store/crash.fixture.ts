import { writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DaemonLock } from './daemon-lock.ts';
import { migrate } from './migrations.ts';
import { Store } from './store.ts';

/** A child process that is to be killed in the middle of its task: `write FILE FSYNC`, `migrate FILE` or `lock FILE`. */
const [task, file = '', fsync] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

if (task === 'lock') {
  DaemonLock.take(dirname(file));
  say('held');
  setInterval(() => undefined, 60_000);
} else if (task === 'migrate') {
  const database = new DatabaseSync(file);
  say('started');
  const endless = 'WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
  migrate(database, file, [
    { version: 1, name: 'done', sql: 'CREATE TABLE done (a)' },
    { version: 2, name: 'endless', sql: `CREATE TABLE undone (a); ${endless}` },
  ]);
} else {
  const store = Store.open({
    file,
    fsync: fsync === 'commit' ? 'commit' : 'checkpoint',
    bytes: 1024 ** 3,
    now: Date.now,
  });
  const insert = store.prepare('INSERT INTO outbox_lot (first, queue, count, at, body) VALUES (?, 1, 1, 0, ?)');
  const [{ next } = { next: 0 }] = store.prepare('SELECT coalesce(max(first), 0) + 1 AS next FROM outbox_lot').all();
  let number = Number(next);
  const write = (): void => {
    for (let end = number + 1 + (number % 7); number < end; number += 1) {
      const first = number;
      store.write(() => void insert.run(first, new Uint8Array(400)));
    }
    const last = number - 1;
    store.whenKept(() => {
      say(String(last));
      setImmediate(write);
    });
  };
  // Several at a time, so that commits and syncs overlap.
  for (let line = 0; line < 4; line += 1) write();
}
