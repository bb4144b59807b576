import { isIP } from 'node:net';
import { Fault } from '../../policies/fault.ts';

/** A DNS server to ask. */
export interface NameServer {
  readonly address: string;
  readonly port: number;
}

const DNS_PORT = 53;
const BRACKETED = /^\[([^\]]+)\](?::(\d{1,5}))?$/;
const WITH_PORT = /^([^:]+):(\d{1,5})$/;

/** Reads `ip`, `ip:port`, `[v6]:port` or a bare IPv6 address. Throws Fault `config-invalid`. */
export function parseNameServer(text: string): NameServer {
  const match = BRACKETED.exec(text) ?? WITH_PORT.exec(text);
  const address = match?.[1] ?? text;
  const port = Number(match?.[2] ?? DNS_PORT);
  if (isIP(address) === 0 || port < 1 || port > 65_535) {
    throw new Fault('config-invalid', `"${text}" is no DNS server`, {
      remedy: 'Write an IP address with or without a port, e.g. "127.0.0.1:53" or "[::1]:53".',
    });
  }
  return { address, port };
}

/** As a message shows it, e.g. `127.0.0.1:53`. */
export function formatNameServer({ address, port }: NameServer): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
