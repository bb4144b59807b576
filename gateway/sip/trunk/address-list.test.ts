import { expect, it, test } from 'vitest';
import { codeOf } from '../../../policies/fault.ts';
import { addressList } from './address-list.ts';

test.each<[boolean, string, readonly string[], string]>([
  [true, 'an address', ['192.0.2.7'], '192.0.2.7'],
  [false, 'another', ['192.0.2.7'], '192.0.2.8'],
  [true, 'a block', ['192.0.2.0/24'], '192.0.2.255'],
  [false, 'outside', ['192.0.2.0/24'], '192.0.3.0'],
  [true, 'IPv6', ['2001:db8::1'], '2001:DB8:0::1'],
  [true, 'an IPv6 block', ['2001:db8::/32'], '2001:db8:1::1'],
  [false, 'outside of it', ['2001:db8::/32'], '2001:db9::1'],
  [true, 'IPv4 in IPv6 dress', ['192.0.2.0/24'], '::ffff:192.0.2.1'],
  [false, 'no IPv6 by an IPv4 block', ['0.0.0.0/0'], '2001:db8::1'],
  [true, 'everything', ['0.0.0.0/0', '::/0'], '2001:db8::1'],
  [false, 'no address', ['0.0.0.0/0'], 'example.com'],
  [false, 'an empty list', [], '192.0.2.1'],
])('%s: %s', (expected, _, entries, address) => {
  expect(addressList(entries)(address)).toBe(expected);
});

it.each(['example.com', '192.0.2.0/33', '192.0.2.0/', '192.0.2.0/24/8', '::1/129', '/8', ''])('refuses %j', (entry) => {
  const refused = () => addressList([entry]);
  expect(refused).toThrow();
  try {
    refused();
  } catch (error) {
    expect(codeOf(error)).toBe('config-invalid');
  }
});
