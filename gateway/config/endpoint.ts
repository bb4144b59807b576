import { isIP } from 'node:net';
import { z } from 'zod';
import { foldDomain } from '../../policies/address.ts';
import { type Measured, through } from '../../policies/units.ts';

/** Where a listener listens; port 0 lets the system choose. */
export interface ListenAddress {
  /** An IP address or host name, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const LISTEN = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/;
const NAME_SERVER = /^(?:\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?|([0-9.]+):(\d{1,5}))$/;

/** Schema of a {@link ListenAddress}, written `0.0.0.0:5269` or `[::]:5269`. */
export const listenAddress = z
  .string({ error: 'an address to listen on is written `"0.0.0.0:5269"`' })
  .transform(through(readListen))
  .meta({ title: 'address:port', examples: ['0.0.0.0:5269', '[::]:5269'] });

/** Schema of a DNS server: an IP address with or without port; stays as written. */
export const nameServer = z
  .string()
  .transform(through(readNameServer))
  .meta({ title: 'IP or IP:port', examples: ['127.0.0.1:53', '[::1]:53'] });

/** Schema of a host to connect to: a name or an IP address. */
export const host = z.string().transform(through(readHost)).meta({ title: 'host name or IP' });

export const port = z.int().min(1).max(65_535);

function readListen(text: string): Measured<ListenAddress> {
  const [, ipv6, other, digits] = LISTEN.exec(text) ?? [];
  const name = ipv6 ?? other;
  const number = Number(digits);
  const known = ipv6 === undefined ? other !== undefined && foldDomain(other) !== undefined : isIP(ipv6) === 6;
  if (name !== undefined && known && number <= 65_535) return { value: { host: name, port: number } };
  return { problem: `\`${text}\` is no address to listen on`, remedy: 'write `0.0.0.0:5269`, or `[::]:5269` for IPv6' };
}

function readNameServer(text: string): Measured<string> {
  const [, ipv6, ipv6Port, ipv4, ipv4Port] = NAME_SERVER.exec(text) ?? [];
  const number = Number(ipv6Port ?? ipv4Port ?? 53);
  const known = ipv6 === undefined ? isIP(ipv4 ?? text) !== 0 : isIP(ipv6) === 6;
  if (known && number >= 1 && number <= 65_535) return { value: text };
  return {
    problem: `\`${text}\` is no DNS server`,
    remedy: 'write an IP address, such as `127.0.0.1:53` or `[::1]:53`',
  };
}

function readHost(text: string): Measured<string> {
  if (isIP(text) !== 0 || foldDomain(text) !== undefined) return { value: text };
  return { problem: `\`${text}\` is no host`, remedy: 'write a host name or an IP address, without a port' };
}
