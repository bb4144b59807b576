import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../policies/fault.ts';
import type { SyncFile } from './log-sync.ts';
import { kept, TestStore } from './store.fixture.ts';
import { Store } from './store.ts';

const MIB = 1024 * 1024;

let test: TestStore;
beforeEach(() => {
  test = new TestStore();
});
afterEach(() => test.remove());

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A table of texts, and what another connection sees of it. */
function texts(store: Store) {
  const insert = store.prepare('INSERT INTO outbox_queue (name) VALUES (?)');
  const others = new DatabaseSync(test.file, { readOnly: true });
  const select = others.prepare('SELECT name FROM outbox_queue ORDER BY id');
  return {
    add: (text: string): void => void insert.run(text),
    seen: (): unknown[] => select.all().map(({ name }) => name),
  };
}

describe.each(['commit', 'checkpoint'] as const)('with fsync: %s', (fsync) => {
  it('works of one turn are one commit, in order; later ones belong to the next', async () => {
    const store = test.open({ fsync });
    const { add, seen } = texts(store);
    for (const text of ['a', 'b', 'c']) store.write(() => add(text));
    store.write(() => store.write(() => add('of a work')));
    store.whenKept(() => store.write(() => add('of a callback')));
    const first = kept(store);
    await turn();
    expect(seen()).toEqual(['a', 'b', 'c']);
    expect(store.counters).toMatchObject({ commits: 1, works: 4, failures: 0 });
    await first;
    await kept(store);
    expect(seen().toSorted()).toEqual(['a', 'b', 'c', 'of a callback', 'of a work']);
  });

  it('a callback is called once what stands before it is kept, in order, and at once where nothing is', async () => {
    const store = test.open({ fsync });
    const { add, seen } = texts(store);
    const told: string[] = [];
    const tell = (name: string) => store.whenKept(() => told.push(`${name} after ${seen().length}`));
    tell('at once');
    expect(told).toEqual(['at once after 0']);
    store.write(() => add('a'));
    tell('first');
    store.write(() => add('b'));
    store.whenKept(() => tell('within'));
    tell('second');
    expect(told).toHaveLength(1);
    await kept(store);
    expect(told.slice(1, 3)).toEqual(['first after 2', 'second after 2']);
    await kept(store);
    expect(told.slice(3)).toEqual(['within after 2']);
  });

  it('closing keeps what waits and tells it; what comes later fails', async () => {
    const store = test.open({ fsync });
    const { add, seen } = texts(store);
    const told: string[] = [];
    store.write(() => add('a'));
    store.whenKept(() => {
      told.push('kept');
      store.write(() => add('b'));
    });
    store.close();
    store.close();
    expect([told, seen()]).toEqual([['kept'], ['a', 'b']]);
    const fault = await new Promise<Fault>((resolve) => store.write(() => add('c'), resolve));
    expect([fault.code, seen(), test.faults]).toEqual(['shutting-down', ['a', 'b'], []]);
  });

  it('any program of writes, faulty writes and callbacks is told in order, each when its writes are kept', async () => {
    const step = fc.constantFrom('write', 'last', 'throw', 'tell', 'turn');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const store = test.open({ fsync });
        let [written, settled, asked] = [0, 0, 0];
        const told: number[] = [];
        const faulty = (): never => {
          throw new Fault('mailbox-full');
        };
        const done = store.prepare('UPDATE outbox_queue SET done = done + 1');
        for (const what of steps) {
          if (what === 'turn') await turn();
          if (what === 'write') store.write(() => void done.run());
          if (what === 'last') store.writeLast(() => void done.run());
          if (what === 'throw') store.write(faulty, () => (settled += 1));
          if (what === 'throw') written += 1;
          if (what !== 'tell') continue;
          const [number, behind] = [asked++, written];
          store.whenKept(() => {
            expect(settled).toBeGreaterThanOrEqual(behind);
            told.push(number);
          });
        }
        await kept(store);
        expect(told).toEqual(Array.from({ length: asked }, (_, number) => number));
        expect(store.counters.failures).toBe(written);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a sync', () => {
  type Done = Parameters<SyncFile>[1];
  const disk = (): { open: Done[]; syncFile: SyncFile; asked: Promise<void> } => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const open: Done[] = [];
    return { open, asked, syncFile: (_file, done) => resolve(void open.push(done)) };
  };
  it('is waited for; commits made meanwhile share the next one', async () => {
    const { open, asked, syncFile } = disk();
    const store = test.open({ fsync: 'commit' }, { syncFile });
    const { add, seen } = texts(store);
    const told: string[] = [];
    for (const text of ['a', 'b', 'c']) {
      store.write(() => add(text));
      store.whenKept(() => told.push(text));
      await asked;
      await turn();
    }
    expect([seen(), told, open.length]).toEqual([['a', 'b', 'c'], [], 1]);
    open[0]?.(null);
    expect([told, open.length]).toEqual([['a'], 2]);
    open[1]?.(null);
    expect([told, open.length]).toEqual([['a', 'b', 'c'], 2]);
  });

  it('is not made for what nobody waits for, until somebody does', async () => {
    const { open, syncFile } = disk();
    const store = test.open({ fsync: 'commit' }, { syncFile });
    const { add, seen } = texts(store);
    const told: string[] = [];
    store.write(() => add('a'));
    await turn();
    expect([seen(), open.length]).toEqual([['a'], 0]);
    store.whenKept(() => told.push('kept'));
    expect([told, open.length]).toEqual([[], 1]);
    open[0]?.(null);
    expect(told).toEqual(['kept']);
  });

  it('that fails breaks the store for good: nothing is told kept any more', async () => {
    const { open, asked, syncFile } = disk();
    const store = test.open({ fsync: 'commit' }, { syncFile });
    const { add } = texts(store);
    const told: string[] = [];
    store.write(() => add('a'));
    store.whenKept(() => told.push('kept'));
    await asked;
    open[0]?.(new Error('EIO: i/o error, fdatasync'));
    store.whenKept(() => told.push('kept'));
    store.write(
      () => add('b'),
      ({ code }) => told.push(code),
    );
    store.whenKept(() => told.push('kept'));
    await turn();
    await turn();
    expect(told).toEqual(['store-failed']);
    expect(store.broken).toMatchObject({ code: 'store-failed', message: expect.stringContaining('EIO') });
    expect(test.faults).toEqual([store.broken]);
  });
});

describe('what cannot be kept', () => {
  it('fails alone where a work throws, as what it threw, or as a defect', async () => {
    const store = test.open();
    const { add, seen } = texts(store);
    const told: string[] = [];
    const full = new Fault('mailbox-full');
    store.write(() => add('a'));
    store.write(
      () => {
        add('undone');
        throw full;
      },
      (fault) => told.push(fault.code),
    );
    store.write(
      () => add('a'),
      (fault) => told.push(fault.code),
    );
    store.write(() => add('b'));
    store.whenKept(() => told.push('kept'));
    await kept(store);
    expect([told, seen()]).toEqual([
      ['mailbox-full', 'internal', 'kept'],
      ['a', 'b'],
    ]);
    expect(test.faults.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      expect.stringMatching(/^internal: .*UNIQUE/),
    ]);
  });

  it('for lack of room is told, and said once; what frees room still works', async () => {
    const store = test.open({ bytes: MIB });
    const insert = store.prepare('INSERT INTO outbox_lot (first, queue, count, at, body) VALUES (?, 1, 1, 0, ?)');
    const remove = store.prepare('DELETE FROM outbox_lot WHERE first = ?');
    const told: string[] = [];
    const put = (first: number): void =>
      store.write(
        () => void insert.run(first, new Uint8Array(MIB / 4)),
        ({ code }) => told.push(`${first}: ${code}`),
      );
    for (const first of [1, 2, 3, 4, 5]) put(first);
    store.whenKept(() => told.push('kept'));
    await kept(store);
    expect(told.splice(0)).toEqual(['4: store-failed', '5: store-failed', 'kept']);
    put(6);
    store.write(() => void remove.run(1));
    put(7);
    await kept(store);
    expect(told.splice(0)).toEqual(['6: store-failed']);
    expect(store.prepare('SELECT first FROM outbox_lot').all()).toMatchObject([
      { first: 2 },
      { first: 3 },
      { first: 7 },
    ]);
    expect(store.counters.bytes).toBeLessThanOrEqual(MIB);
    expect(test.faults).toHaveLength(1);
    test.now += 60_000;
    put(8);
    await kept(store);
    expect(test.faults.map(({ code, remedy }) => `${code}: ${remedy}`)).toEqual(
      Array(2).fill('store-failed: Free space on the disk, or raise `store.bytes`.'),
    );
  });

  it('because another process holds the file is told', async () => {
    const store = test.open();
    const { add, seen } = texts(store);
    const other = new DatabaseSync(test.file);
    other.exec('BEGIN IMMEDIATE');
    const fault = await new Promise<Fault>((resolve) => store.write(() => add('a'), resolve));
    expect(fault).toMatchObject({ code: 'store-failed', message: expect.stringContaining('locked') });
    other.exec('COMMIT');
    other.close();
    store.write(() => add('b'));
    await kept(store);
    expect(seen()).toEqual(['b']);
  });

  it('never gets behind a position that counts it', async () => {
    const store = test.open();
    const { add } = texts(store);
    const order: string[] = [];
    const run = (name: string) => () => {
      order.push(name);
      add(name);
    };
    store.writeLast(run('position'));
    store.write(run('a'));
    store.write(() => {
      throw new Fault('mailbox-full');
    });
    store.write(run('b'));
    await kept(store);
    expect(order).toEqual(['a', 'a', 'b', 'position']);
  });

  it('a callback that throws holds up no other', async () => {
    const store = test.open();
    const { add } = texts(store);
    store.write(() => add('a'));
    store.whenKept(() => {
      throw new Error('broken callback');
    });
    await kept(store);
    expect(test.faults).toMatchObject([{ code: 'internal', message: 'Error: broken callback' }]);
  });
});

describe('opening', () => {
  const opened = (): unknown => {
    try {
      return test.open();
    } catch (error) {
      return error;
    }
  };

  it('keeps the files to their owner, also those that were open to others', () => {
    writeFileSync(test.file, '', { mode: 0o666 });
    test.open();
    const modes = readdirSync(test.folder).map((name) => [name, statSync(join(test.folder, name)).mode & 0o777]);
    expect(Object.fromEntries(modes)).toEqual({
      'drawbridge.db': 0o600,
      'drawbridge.db-shm': 0o600,
      'drawbridge.db-wal': 0o600,
    });
  });

  it('finds what was kept before', async () => {
    const store = test.open({ fsync: 'commit' });
    texts(store).add('a');
    expect(texts(test.open()).seen()).toEqual(['a']);
  });

  it.each<[string, string, string, RegExp, () => void]>([
    ['no database', 'store-unusable', 'is damaged', /backup/, () => writeFileSync(test.file, 'x'.repeat(9_000))],
    [
      'of a newer version',
      'store-newer',
      'is of version 1000',
      /newer Drawbridge/,
      () => new DatabaseSync(test.file).exec('PRAGMA user_version = 1000'),
    ],
    [
      'held by another process',
      'store-in-use',
      'is held by another process',
      /^Wait/,
      () => new DatabaseSync(test.file).exec('CREATE TABLE t (a); BEGIN EXCLUSIVE'),
    ],
  ])('a file that is %s is refused', (_what, code, message, remedy, prepare) => {
    prepare();
    const expected = { code, message: expect.stringContaining(message), remedy: expect.stringMatching(remedy) };
    expect(opened()).toBeInstanceOf(Fault);
    expect(opened()).toMatchObject(expected);
  });

  it('in a folder that is not there is refused', () => {
    const open = () => Store.open({ file: '/nowhere/d.db', fsync: 'commit', bytes: MIB, now: Date.now });
    expect(open).toThrow(
      expect.objectContaining({ code: 'store-unusable', message: expect.stringContaining('ENOENT') }),
    );
  });
});
