import { afterEach, beforeEach, expect, it } from 'vitest';
import { Sandbox } from '../cli.fixture.ts';
import { importUsers } from './import.ts';
import { Users } from './users.ts';

let sandbox: Sandbox;
let users: Users;
beforeEach(async () => {
  sandbox = await Sandbox.create();
  await sandbox.edit('gateway.yaml', [[/xmpp:\n +link: component[\s\S]*?(?=\n\n)/, 'xmpp: { link: embedded }']]);
  users = await Users.open(sandbox.path('gateway.yaml'));
});
afterEach(async () => {
  users[Symbol.dispose]();
  await sandbox.remove();
});

const list = (count: number): string =>
  Array.from({ length: count }, (_, n) => `user${n}@contoso.example,secret,User ${n}`).join('\n');

it('an import that is interrupted finishes what it began, and goes on when it is run again', async () => {
  const interrupt = new AbortController();
  const progress = (): void => undefined;
  const importing = importUsers(list(30), users, { signal: interrupt.signal, progress });
  interrupt.abort();
  const { added, left, skipped } = await importing;
  expect([added + left, skipped]).toEqual([30, []]);
  expect(added).toBeGreaterThan(0);
  expect(left).toBeGreaterThan(0);
  expect(users.list()).toHaveLength(added);
  const again = await importUsers(list(30), users, { signal: new AbortController().signal, progress });
  expect(again).toMatchObject({ added: left, left: 0 });
  expect(again.skipped.map(({ reason }) => reason)).toEqual(Array.from({ length: added }, () => 'account-exists'));
  expect(users.list()).toHaveLength(30);
});

it('says how far it is now and then', async () => {
  const told: string[] = [];
  const progress = (done: number, of: number): void => void told.push(`${done} of ${of}`);
  // Users who exist cost no hash.
  await importUsers(list(1), users, { signal: new AbortController().signal, progress });
  const same = `${list(1)}\n`.repeat(2);
  expect((await importUsers(same, users, { signal: new AbortController().signal, progress })).skipped).toHaveLength(2);
  expect(told).toEqual([]);
  await importUsers(list(260), users, { signal: new AbortController().signal, progress });
  expect(told).toEqual(['250 of 260']);
});
