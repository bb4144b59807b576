import type { DnsServer } from '../dns-server.ts';

/** One server of a domain, as its SRV record tells. */
export interface XmppTarget {
  /** A loopback IPv4 address. */
  readonly host: string;
  readonly port: number;
  /** RFC 2782: lower is tried first; 0 when left out. */
  readonly priority?: number | undefined;
  readonly weight?: number | undefined;
  /** `starttls` (the default) is `_xmpp-server`, `direct` is `_xmpps-server` (XEP-0368). */
  readonly tls?: 'starttls' | 'direct' | undefined;
}

/**
 * Publishes the servers of a domain, replacing what was published for it before; nobody caches it (TTL 0). With no targets the domain is unknown.
 * Targets are spelt as IP addresses: ejabberd resolves SRV through its own resolver but targets through libc, which takes a number as it is; Prosody asks
 * for the A record of that numeric name, which {@link DnsServer} answers.
 */
export function publishXmpp(dns: DnsServer, domain: string, targets: readonly XmppTarget[]): void {
  for (const tls of ['starttls', 'direct'] as const) {
    const name = `${tls === 'direct' ? '_xmpps-server' : '_xmpp-server'}._tcp.${domain}`;
    dns.remove(name, 'SRV');
    for (const { host, port, priority = 0, weight = 0, ...target } of targets) {
      if ((target.tls ?? 'starttls') !== tls) continue;
      dns.add({ name, type: 'SRV', ttl: 0, data: { priority, weight, port, target: host } });
    }
  }
}
