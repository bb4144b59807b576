import { createSecureContext, type SecureContext } from 'node:tls';
import { type Identities, namesXmppDomain } from '../../pki/identity.ts';
import type { ServerCertificate } from '../../pki/server-certificate.ts';
import { CIPHERS, SECURE_OPTIONS } from './tls.ts';

export interface TlsProfile {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

interface Presentable {
  readonly certificate: ServerCertificate;
  readonly context: SecureContext;
}

/** Sessions belong to this service; OpenSSL refuses to resume one that asked for a client certificate without it. */
const SESSION_CONTEXT = 'drawbridge-xmpp';
/** Domains whose choice is remembered: ours are few, but SNI is the peer's to write. */
const CHOICES = 1000;

/**
 * Our own certificates, chosen by the domain they name. Replacing them touches no stream that stands: a context is
 * taken at each handshake.
 */
export class OwnCertificates {
  readonly #profile: TlsProfile;
  #presentable: readonly Presentable[] = [];
  #choices = new Map<string, Presentable | undefined>();

  constructor(certificates: readonly ServerCertificate[], profile: TlsProfile) {
    this.#profile = profile;
    this.replace(certificates);
  }

  replace(certificates: readonly ServerCertificate[]): void {
    this.#presentable = certificates.map((certificate) => ({
      certificate,
      context: createSecureContext({
        cert: certificate.certPem,
        key: certificate.keyPem,
        ciphers: CIPHERS,
        minVersion: this.#profile.minVersion,
        secureOptions: SECURE_OPTIONS,
        sessionIdContext: SESSION_CONTEXT,
      }),
    }));
    this.#choices = new Map();
  }

  /** Whether a certificate names this domain. */
  covers(domain: string): boolean {
    return this.#choose(domain) !== undefined;
  }

  /** The context for a domain; the first certificate where none names it (the peer then judges for itself). */
  contextFor(domain: string): SecureContext | undefined {
    return (this.#choose(domain) ?? this.#presentable[0])?.context;
  }

  /** SHA-256 of the certificate shown for a domain: part of what a TLS session may be resumed under. */
  fingerprintFor(domain: string): string {
    return (this.#choose(domain) ?? this.#presentable[0])?.certificate.fingerprint ?? '';
  }

  #choose(domain: string): Presentable | undefined {
    if (this.#choices.has(domain)) return this.#choices.get(domain);
    if (this.#choices.size >= CHOICES) this.#choices.clear();
    const naming = this.#presentable.filter(({ certificate }) => namesXmppDomain(certificate.identities, domain));
    const found = naming.find(({ certificate }) => !byWildcard(certificate.identities, domain)) ?? naming[0];
    this.#choices.set(domain, found);
    return found;
  }
}

/** Whether only a wildcard of the certificate speaks for the domain: one issued for the name itself goes before. */
function byWildcard(identities: Identities, domain: string): boolean {
  const exact = (names: readonly string[]): string[] => names.filter((name) => !name.includes('*'));
  const { dnsNames, srvNames } = identities;
  return !namesXmppDomain({ ...identities, dnsNames: exact(dnsNames), srvNames: exact(srvNames) }, domain);
}
