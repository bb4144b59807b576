import type { SecureContext } from 'node:tls';
import type { ServerCertificate } from '../pki/server-certificate.ts';
import { namesSipDomain } from '../pki/sip-identity.ts';
import { type MinVersion, trunkContext } from './sip/transport/tls.ts';

/** Names whose certificate is remembered: ours are few, but SNI is the peer's to write. */
const CHOICES = 1_000;

interface Presentable {
  readonly certificate: ServerCertificate;
  readonly context: SecureContext;
}

/** Our certificates for trunks, chosen by the SIP domain they name (RFC 5922 §7.1); the first where none names it. */
export class SipCertificates {
  readonly #minVersion: MinVersion;
  #presentable: readonly Presentable[] = [];
  readonly #choices = new Map<string, SecureContext | undefined>();

  constructor(certificates: readonly ServerCertificate[], minVersion: MinVersion) {
    this.#minVersion = minVersion;
    this.replace(certificates);
  }

  /** They hold from the next handshake on. */
  replace(certificates: readonly ServerCertificate[]): void {
    const minVersion = this.#minVersion;
    this.#presentable = certificates.map((certificate) => ({
      certificate,
      context: trunkContext({ certPem: certificate.certPem, keyPem: certificate.keyPem, minVersion }),
    }));
    this.#choices.clear();
  }

  /** The context for a domain of ours, '' where a peer names none; undefined where there is no certificate at all. */
  contextFor(domain: string): SecureContext | undefined {
    if (this.#choices.has(domain)) return this.#choices.get(domain);
    if (this.#choices.size >= CHOICES) this.#choices.clear();
    const naming = this.#presentable.find(({ certificate }) => names(certificate, domain));
    const { context } = naming ?? this.#presentable[0] ?? {};
    this.#choices.set(domain, context);
    return context;
  }
}

function names({ identities }: ServerCertificate, domain: string): boolean {
  return namesSipDomain(identities, domain) || namesSipDomain(identities, domain, { wildcards: true });
}
