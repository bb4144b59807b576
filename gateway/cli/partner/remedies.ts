import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Protocol } from '../../bridge/ports.ts';

const RENEW = 'ask the partner to renew its certificate';
const ANCHOR =
  'get the certificate of its authority by a way you trust, put it under `tls.trust` in gateway.yaml and try again';
const NOT_THERE = 'ask the partner whether the server runs, and whether a firewall on either side is in the way';

/** What whoever sets up a partner can do about a reason. */
const remedies: Partial<Record<ReasonCode, string>> = {
  'dns-not-found': 'check the spelling; the partner publishes `_xmpp-server._tcp` SRV records, or an address',
  'dns-timeout': 'check `dns.servers` in gateway.yaml, and that UDP and TCP port 53 are let through',
  'dns-failed': 'look at the name servers of that zone, and at `dns.servers` in gateway.yaml',
  'dns-malformed': 'look at the name servers of that zone, and at `dns.servers` in gateway.yaml',
  'dns-service-refused': 'the partner declares that it has no XMPP: ask which domain its users have',
  'remote-not-found': 'ask the partner to mend its DNS records, or whether this server is meant to serve the domain',
  'remote-unreachable': NOT_THERE,
  'stream-timeout': NOT_THERE,
  'certificate-missing': 'ask the partner to configure a certificate for this domain',
  'certificate-expired': RENEW,
  'certificate-not-yet-valid': 'compare the clocks of both sides',
  'certificate-self-signed': ANCHOR,
  'certificate-untrusted': ANCHOR,
  'certificate-bad-chain': 'ask the partner to configure the whole chain: the certificate, then its intermediates',
  'certificate-wrong-name': 'ask the partner for a certificate that names this domain',
  'certificate-wrong-purpose': 'ask the partner for a certificate that is issued for TLS servers or clients',
  'certificate-weak': 'ask the partner for a certificate with a stronger key and signature',
  'tls-unavailable': 'ask the partner to switch TLS on: without it nothing is exchanged',
  'tls-failed': 'compare TLS versions (`edges.xmpp.tls.minVersion`), and whether the port is meant for direct TLS',
  'dialback-unreachable': 'ask the partner to allow dialback, or use its certificate alone',
  'dialback-invalid': 'the partner asked our server, and it disowned the key: does DNS lead to this gateway?',
};

/** Where a trunk has another remedy than a stream. */
const sipRemedies: Partial<Record<ReasonCode, string>> = {
  'dns-not-found':
    'check the spelling; the partner publishes `_sips._tcp` SRV records, or write its servers as `trunk.hosts`',
  'dns-service-refused':
    'the partner declares that it has no SIP over TLS: ask which domain its users have, or write `trunk.hosts`',
  'certificate-wrong-name': 'ask the partner for a certificate that names its domain, by `sip:domain` or by DNS name',
  'tls-failed':
    'compare TLS versions (`edges.sip.tls.minVersion`) and whether that port speaks TLS; else the partner did not take ' +
    'our certificate: hand its authority over',
};

/** The remedy for a reason code, if there is one to tell. */
export function remedyFor(reason: ReasonCode, via: Protocol = 'xmpp'): string | undefined {
  return (via === 'sip' ? sipRemedies[reason] : undefined) ?? remedies[reason];
}
