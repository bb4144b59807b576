import { describe, expect, it } from 'vitest';
import { originOf } from '../../../policies/address.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { plainAddress } from './address.ts';
import { Gate } from './gate.ts';

describe('Where a connection comes from', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['', ''],
  ])('%s is of %s', (address, household) => {
    expect(originOf(address)).toBe(household);
  });

  it.each([
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['192.0.2.7', '192.0.2.7'],
  ])('%s is written %s', (address, plain) => {
    expect(plainAddress(address)).toBe(plain);
  });
});

describe('The gate', () => {
  const open = { connections: 100, perAddress: 100, attempts: 100 };
  const gate = (limits: Partial<typeof open>, clock = new FakeClock()) => new Gate({ ...open, ...limits }, clock);
  const enter = (gate: Gate, address: string): string | (() => void) => {
    const entry = gate.enter(address);
    return 'refusal' in entry ? entry.refusal : entry.leave;
  };

  it('bounds connections in all and of one address, and counts those that leave out once', () => {
    const one = gate({ connections: 3, perAddress: 2 });
    const leave = enter(one, '192.0.2.1') as () => void;
    expect([enter(one, '::ffff:192.0.2.1'), enter(one, '192.0.2.1')]).toEqual([expect.any(Function), 'address-full']);
    expect([enter(one, '192.0.2.2'), enter(one, '192.0.2.3')]).toEqual([expect.any(Function), 'full']);
    leave();
    leave();
    expect(one.connections).toBe(2);
    expect([enter(one, '192.0.2.1'), enter(one, '192.0.2.3')]).toEqual([expect.any(Function), 'full']);
  });

  it('refuses an address that comes too often, for a while, and counts nothing for it', () => {
    const clock = new FakeClock();
    const one = gate({ attempts: 2 }, clock);
    const come = () => {
      const entered = enter(one, '192.0.2.1');
      if (typeof entered === 'function') entered();
      return typeof entered;
    };
    expect([come(), come(), come()]).toEqual(['function', 'function', 'string']);
    expect(typeof enter(one, '192.0.2.2')).toBe('function');
    clock.advance(10_000);
    expect(come()).toBe('function');
    expect(one.connections).toBe(1);
  });
});
