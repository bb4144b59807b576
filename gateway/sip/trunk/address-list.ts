import { BlockList, isIP } from 'node:net';
import { Fault } from '../../../policies/fault.ts';
import { plainAddress } from '../transport/address.ts';

/**
 * A test for membership in addresses and CIDR blocks, IPv4 and IPv6, e.g. `192.0.2.0/24`, `2001:db8::1`. An IPv4
 * address in its IPv6 dress (RFC 4291 §2.5.5.2) is the IPv4 address. Throws Fault `config-invalid`.
 */
export function addressList(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix, more] = entry.split('/');
    const family = isIP(address);
    const widest = family === 6 ? 128 : 32;
    const length = prefix === undefined ? widest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (family === 0 || more !== undefined || !(length <= widest)) {
      throw new Fault('config-invalid', `"${entry}" is neither an IP address nor a CIDR block.`, {
        remedy: 'Write e.g. "192.0.2.7", "192.0.2.0/24" or "2001:db8::/32".',
      });
    }
    list.addSubnet(address, length, nameOf(family));
  }
  return (address) => {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && list.check(plain, nameOf(family));
  };
}

const nameOf = (family: number): 'ipv4' | 'ipv6' => (family === 6 ? 'ipv6' : 'ipv4');
