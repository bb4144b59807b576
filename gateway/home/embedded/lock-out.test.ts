import { expect, it } from 'vitest';
import { LockOut } from './lock-out.ts';

const limits = { perAccount: 3, perAddress: 5, periodMs: 1000 };

function fail(lockOut: LockOut, account: string, address: string, count: number, now = 0): void {
  for (let n = 0; n < count; n++) lockOut.failed(account, address, now);
}

it('locks an account from everywhere after its failures, and unlocks it when the period is over', () => {
  const lockOut = new LockOut(limits);
  fail(lockOut, 'a@x', '192.0.2.1', 2);
  expect(lockOut.locked('a@x', '192.0.2.1', 0)).toBe(false);
  fail(lockOut, 'a@x', '192.0.2.2', 1);
  expect(lockOut.locked('a@x', '192.0.2.3', 0)).toBe(true);
  expect(lockOut.locked('b@x', '192.0.2.3', 0)).toBe(false);
  expect(lockOut.locked('a@x', '192.0.2.3', 999)).toBe(true);
  expect(lockOut.locked('a@x', '192.0.2.3', 1000)).toBe(false);
});

it('locks an address for every account, and takes an IPv6 network for one address', () => {
  const lockOut = new LockOut(limits);
  for (const n of [1, 2, 3, 4, 5]) lockOut.failed(`u${n}@x`, `2001:db8::${n}`, 0);
  expect(lockOut.locked('other@x', '2001:db8::ffff', 0)).toBe(true);
  expect(lockOut.locked('other@x', '2001:db8:0:1::1', 0)).toBe(false);
});

it('forgives an account that signs in, and its address not', () => {
  const lockOut = new LockOut(limits);
  fail(lockOut, 'a@x', '192.0.2.1', 2);
  lockOut.succeeded('a@x');
  fail(lockOut, 'a@x', '192.0.2.1', 2);
  expect(lockOut.locked('a@x', '192.0.2.2', 0)).toBe(false);
  fail(lockOut, 'b@x', '192.0.2.1', 1);
  expect(lockOut.locked('c@x', '192.0.2.1', 0)).toBe(true);
});

it('counts an attempt without a name towards its address alone', () => {
  const lockOut = new LockOut(limits);
  fail(lockOut, '', '192.0.2.1', 5);
  expect(lockOut.size).toBe(1);
  expect(lockOut.locked('a@x', '192.0.2.1', 0)).toBe(true);
});

it('counts no address where none is known', () => {
  const lockOut = new LockOut(limits);
  fail(lockOut, 'a@x', '', 5);
  expect(lockOut.locked('b@x', '', 0)).toBe(false);
});

it('remembers no more than so many, however many names are invented', () => {
  const lockOut = new LockOut({ ...limits, perAddress: 1_000_000 });
  for (let n = 0; n < 30_000; n++) lockOut.failed(`u${n}@x`, '192.0.2.1', 0);
  expect(lockOut.size).toBe(20_000);
});
