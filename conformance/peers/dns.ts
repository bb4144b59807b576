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

/** One server of a domain for SIP. */
export interface SipTarget {
  /** A loopback IPv4 address, or a name that has an A record of its own. */
  readonly host: string;
  readonly port: number;
  /** RFC 2782: lower is tried first; 0 when left out. */
  readonly priority?: number | undefined;
  readonly weight?: number | undefined;
  /** `tls` when left out: `_sips._tcp`; `tcp` is `_sip._tcp`. */
  readonly transport?: 'tls' | 'tcp' | undefined;
}

/** RFC 3263 §4.1: the service of a NAPTR record, and the SRV name it points to. */
const sipServices = {
  tls: { service: 'SIPS+D2T', srv: '_sips._tcp' },
  tcp: { service: 'SIP+D2T', srv: '_sip._tcp' },
} as const;

/**
 * Publishes the SIP servers of a domain, replacing what was published for it before; nobody caches it (TTL 0). Each
 * transport that has a target gets a NAPTR record unless `naptr` is false, TLS the first.
 */
export function publishSip(
  dns: DnsServer,
  domain: string,
  targets: readonly SipTarget[],
  { naptr = true }: { readonly naptr?: boolean } = {},
): void {
  dns.remove(domain, 'NAPTR');
  for (const [order, transport] of (['tls', 'tcp'] as const).entries()) {
    const { service, srv } = sipServices[transport];
    const name = `${srv}.${domain}`;
    const here = targets.filter((target) => (target.transport ?? 'tls') === transport);
    dns.remove(name, 'SRV');
    for (const { host, port, priority = 0, weight = 0 } of here) {
      dns.add({ name, type: 'SRV', ttl: 0, data: { priority, weight, port, target: host } });
    }
    if (!naptr || here.length === 0) continue;
    const data = { order: 10 + order, preference: 10, flags: 's', services: service, regexp: '', replacement: name };
    dns.add({ name: domain, type: 'NAPTR', ttl: 0, data });
  }
}
