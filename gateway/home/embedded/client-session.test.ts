import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kept, TestStore } from '../../store/store.fixture.ts';
import { ClientSession } from './client-session.ts';
import { ClientSessionTable } from './client-session-table.ts';
import type { SessionHost } from './session.ts';

describe('What a crash does not forget of a session', () => {
  let files: TestStore;
  beforeEach(() => {
    files = new TestStore();
  });
  afterEach(() => files.remove());

  it('is how much was taken of the client, also after a store that took nothing for a while', async () => {
    const store = files.open();
    const table = new ClientSessionTable(store);
    const host: SessionHost = {
      opened: () => undefined,
      restored: () => undefined,
      stanza: () => undefined,
      settled: () => undefined,
      closed: () => undefined,
      whenKept: (then) => store.whenKept(then),
    };
    const bounds = { stanzas: 10, bytes: 1_000 };
    const user = { local: 'u', domain: 'h.example', changed: 1 };
    const session = new ClientSession(user, 'r', { host, table, bounds, end: () => undefined });
    session.manage(true, () => undefined);
    await kept(store);

    const command = new DatabaseSync(files.file);
    command.exec('BEGIN IMMEDIATE');
    session.count();
    await kept(store);
    expect(store.counters.failures).toBe(1);
    command.exec('ROLLBACK');
    command.close();

    session.count();
    await kept(store);
    expect(table.all()).toMatchObject([{ id: session.id, handled: 2 }]);
  });
});
