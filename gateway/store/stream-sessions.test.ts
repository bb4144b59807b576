import { afterEach, beforeEach, expect, it } from 'vitest';
import { kept, TestStore } from './store.fixture.ts';
import { StreamSessions } from './stream-sessions.ts';

let test: TestStore;
beforeEach(() => {
  test = new TestStore();
});
afterEach(() => test.remove());

const session = (id: string, expires = 1_000) => ({ id, partner: 'a.example', home: 'b.example', expires });

it('a session is found after a restart, with the position of the last commit', async () => {
  const store = test.open();
  const sessions = new StreamSessions(store);
  let handled = 0;
  sessions.keep(session('x'), () => handled);
  sessions.touched('x');
  handled = 1;
  sessions.touched('x');
  handled = 2;
  await kept(store);
  expect(store.counters).toMatchObject({ commits: 1, works: 2 });
  handled = 3;
  expect(sessions.find('x')).toEqual({ ...session('x'), handled: 3 });
  const again = new StreamSessions(test.open());
  expect(again.find('x')).toEqual({ ...session('x'), handled: 2 });
  expect(again.find('y')).toBeUndefined();
});

it('a position is written again with every commit that it is touched for', async () => {
  const store = test.open();
  const sessions = new StreamSessions(store);
  let handled = 0;
  sessions.keep(session('x'), () => handled);
  for (handled = 1; handled < 4; handled += 1) {
    sessions.touched('x');
    await kept(store);
    const [row] = store.prepare('SELECT handled FROM stream_session').all();
    expect(row).toEqual({ handled });
  }
});

it('what is forgotten, or expired and swept, is gone', async () => {
  const store = test.open();
  const sessions = new StreamSessions(store);
  for (const [id, expires] of [
    ['x', 1_000],
    ['y', 2_000],
    ['z', 3_000],
  ] as const)
    sessions.keep(session(id, expires), () => 5);
  sessions.keep(session('x', 4_000), () => 6);
  sessions.forget('z');
  sessions.touched('z');
  sessions.sweep(2_000);
  const found = (of: StreamSessions) => ['x', 'y', 'z'].map((id) => of.find(id)?.handled);
  await kept(store);
  expect(found(sessions)).toEqual([6, undefined, undefined]);
  expect(found(new StreamSessions(test.open()))).toEqual([6, undefined, undefined]);
});

it('of too many sessions those go that expire first', async () => {
  const store = test.open();
  const sessions = new StreamSessions(store, 2);
  for (const [id, expires] of [
    ['x', 1_000],
    ['y', 3_000],
    ['z', 2_000],
  ] as const)
    sessions.keep(session(id, expires), () => 5);
  await kept(store);
  expect(['x', 'y', 'z'].map((id) => sessions.find(id)?.expires)).toEqual([undefined, 3_000, 2_000]);
  expect(store.prepare('SELECT count(*) AS count FROM stream_session').get()).toEqual({ count: 2 });
});
