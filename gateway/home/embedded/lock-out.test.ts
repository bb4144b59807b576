import { beforeAll, describe, expect, it } from 'vitest';
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

it('does not count failures that lie further apart than the period', () => {
  const lockOut = new LockOut(limits);
  for (const now of [0, 600, 1_200, 1_800, 2_400, 3_000]) {
    expect(lockOut.locked('a@x', '192.0.2.1', now)).toBe(false);
    lockOut.failed('a@x', '192.0.2.1', now);
  }
  fail(lockOut, 'a@x', '192.0.2.1', 2, 3_100);
  expect(lockOut.locked('a@x', '192.0.2.1', 4_099)).toBe(true);
  expect(lockOut.locked('a@x', '192.0.2.1', 4_100)).toBe(false);
});

describe('where an account has signed in before', () => {
  const HOME = '192.0.2.1';
  const lockOut = new LockOut({ ...limits, perAddress: 100 });
  beforeAll(() => lockOut.succeeded('a@x', HOME));

  it('failures from elsewhere lock nobody out, and elsewhere they do', () => {
    fail(lockOut, 'a@x', '198.51.100.1', 3);
    expect(lockOut.locked('a@x', HOME, 0)).toBe(false);
    expect(lockOut.locked('a@x', '198.51.100.2', 0)).toBe(true);
  });

  it('signing in again forgives nobody elsewhere', () => {
    lockOut.succeeded('a@x', HOME);
    expect(lockOut.locked('a@x', '198.51.100.2', 0)).toBe(true);
  });

  it('failures count by themselves', () => {
    fail(lockOut, 'a@x', HOME, 3);
    expect(lockOut.locked('a@x', HOME, 0)).toBe(true);
    expect(lockOut.locked('b@x', HOME, 0)).toBe(false);
  });
});

it('knows nobody by an address that it does not know', () => {
  const lockOut = new LockOut(limits);
  lockOut.succeeded('a@x', '');
  fail(lockOut, 'a@x', '192.0.2.1', 3);
  expect(lockOut.locked('a@x', '', 0)).toBe(true);
});

it('forgives an account that signs in, and its address not', () => {
  const lockOut = new LockOut(limits);
  fail(lockOut, 'a@x', '192.0.2.1', 2);
  lockOut.succeeded('a@x', '192.0.2.9');
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
