import { identitiesOf, namesXmppDomain } from '../../../pki/identity.ts';
import type { TrustAnchors } from '../../../pki/trust.ts';
import { fingerprint, verifyChain } from '../../../pki/verify.ts';
import type { Evidence } from '../../bridge/ports.ts';

/** Leaves whose intermediates are remembered: one a partner server, a few kilobytes each. */
const REMEMBERED_CHAINS = 1000;

/**
 * Proof by certificate (PKIX): the chain leads to a trust anchor and its leaf names the domain (RFC 6120 §13.7.2,
 * RFC 6125, RFC 9525). Issued for servers or for clients, either will do: public authorities issue no clientAuth any
 * more, and the domain is what is proven.
 */
export class CertificateProof {
  #anchors: TrustAnchors;
  readonly #now: () => number;
  /** A resumed TLS session shows the leaf alone; what stood above it in the full handshake is kept here. */
  readonly #chains = new Map<string, readonly Buffer[]>();

  constructor(anchors: TrustAnchors, now: () => number) {
    this.#anchors = anchors;
    this.#now = now;
  }

  replaceAnchors(anchors: TrustAnchors): void {
    this.#anchors = anchors;
  }

  /** Whether a leaf (DER) names a domain; false where it cannot be read. */
  names(leaf: Buffer, domain: string): boolean {
    try {
      return namesXmppDomain(identitiesOf(leaf), domain);
    } catch {
      return false;
    }
  }

  /** Judges a peer's chain (DER, leaf first) for a domain. */
  evidence(domain: string, presented: readonly Buffer[]): Evidence {
    const found = (holds: boolean, reason: Evidence['reason'], detail: string, notAfter?: number): Evidence => ({
      proof: 'certificate',
      domain,
      holds,
      reason,
      detail,
      notAfter,
    });
    const leaf = presented[0];
    if (leaf === undefined) return found(false, 'certificate-missing', 'No certificate was presented.');
    const known = presented.length === 1 ? this.#chains.get(fingerprint(leaf)) : undefined;
    const chain = known ?? presented;
    const result = verifyChain(chain, { anchors: this.#anchors, now: new Date(this.#now()), purpose: 'either' });
    if (!result.ok) return found(false, result.reason, result.detail);
    if (presented.length > 1) this.#remember(leaf, presented);
    const identities = identitiesOf(leaf);
    if (!namesXmppDomain(identities, domain)) {
      const names = [...identities.dnsNames, ...identities.srvNames, ...identities.xmppAddresses].slice(0, 10);
      return found(false, 'certificate-wrong-name', `The certificate names ${names.join(', ') || 'no domain'}.`);
    }
    return found(true, 'allowed', `sha256:${fingerprint(leaf)}`, result.notAfter.getTime());
  }

  /** Only what an authority of ours vouches for: a stranger fills no memory and pushes nobody out. */
  #remember(leaf: Buffer, chain: readonly Buffer[]): void {
    const key = fingerprint(leaf);
    this.#chains.delete(key);
    if (this.#chains.size >= REMEMBERED_CHAINS) {
      const oldest = this.#chains.keys().next().value;
      if (oldest !== undefined) this.#chains.delete(oldest);
    }
    this.#chains.set(key, chain);
  }
}
