import { BlockList, isIPv6 } from 'node:net';

/**
 * What DNSSEC says of an answer (RFC 4035 §4.3). `insecure` also stands for "nobody looked"; `bogus` only comes from
 * validation in this process.
 */
export type Security = 'secure' | 'insecure' | 'bogus';

const rank: Record<Security, number> = { bogus: 0, insecure: 1, secure: 2 };

/** A conclusion drawn from several answers is no better than the weakest of them. */
export function weakest(...all: readonly Security[]): Security {
  return all.reduce((worst, one) => (rank[one] < rank[worst] ? one : worst), 'secure');
}

/**
 * Tells whose AD bit counts: it is only worth the path it came over (RFC 6840 §5.7), so loopback does, and what the
 * administrator marked.
 * @param marked IP addresses without port.
 */
export function trustedPath(marked: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addAddress('::1', 'ipv6');
  for (const address of marked) list.addAddress(address, family(address));
  return (address) => list.check(address, family(address));
}

const family = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');
