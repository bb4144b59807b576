import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child } from './child.fixture.ts';
import { TestStore } from './store.fixture.ts';

let test: TestStore;
beforeEach(() => {
  test = new TestStore();
});
afterEach(() => test.remove());

describe('kill -9', () => {
  it.each(['commit', 'checkpoint'])('in the middle of commits takes nothing that was told kept (%s)', async (fsync) => {
    for (const count of [1, 20, 300]) {
      const child = new Child('write', test.file, fsync);
      await child.killAfter(count);
      expect(child.lines.length).toBeGreaterThanOrEqual(count);
      const { rows, last } = {
        ...test.open().prepare('SELECT count(*) AS rows, max(first) AS last FROM outbox_lot').get(),
      };
      expect(rows).toBe(last);
      expect(rows).toBeGreaterThanOrEqual(Math.max(...child.lines.map(Number)));
      test.open().close();
    }
  });

  it('in the middle of a migration leaves the version before', async () => {
    const child = new Child('migrate', test.file);
    await child.killAfter(1);
    const database = new DatabaseSync(test.file);
    const { user_version: version } = { ...database.prepare('PRAGMA user_version').get() };
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    expect(tables).toEqual(version === 0 ? [] : [{ name: 'done' }]);
    database.close();
  });
});
