import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { Migration } from './migrations/migration.ts';
import { migrate, migrations } from './migrations.ts';

const step = (version: number, sql = `CREATE TABLE t${version} (a)`): Migration => ({ version, name: 't', sql });
const state = (database: DatabaseSync): unknown[] => [
  database.prepare('PRAGMA user_version').get()?.user_version,
  ...database
    .prepare('SELECT name FROM sqlite_schema ORDER BY name')
    .all()
    .map(({ name }) => name),
];

describe('migrations', () => {
  it('stand in the order of their versions, each with a name of its own', () => {
    const versions = migrations.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
    expect(new Set(migrations.map(({ name }) => name)).size).toBe(migrations.length);
  });

  it('are taken from where the store stands, each once', () => {
    const database = new DatabaseSync(':memory:');
    migrate(database, 'd', [step(1)]);
    migrate(database, 'd', [step(1), step(2), step(4)]);
    migrate(database, 'd', [step(1), step(2), step(4)]);
    expect(state(database)).toEqual([4, 't1', 't2', 't4']);
  });

  it('that fail leave the version before, whole', () => {
    const database = new DatabaseSync(':memory:');
    const broken = step(2, 'CREATE TABLE t2 (a); INSERT INTO nowhere VALUES (1)');
    expect(() => migrate(database, 'd', [step(1), broken])).toThrow('no such table: nowhere');
    expect(state(database)).toEqual([1, 't1']);
    expect(database.isTransaction).toBe(false);
  });

  it('of a newer version are not touched', () => {
    const database = new DatabaseSync(':memory:');
    migrate(database, 'd', [step(1), step(2)]);
    expect(() => migrate(database, 'd', [step(1)])).toThrow(
      expect.objectContaining({
        code: 'store-newer',
        message: 'The store d is of version 2; this build knows up to 1.',
      }),
    );
    expect(state(database)).toEqual([2, 't1', 't2']);
  });
});
