import type { JournalFields } from '../bridge/journal.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { CertificateProof } from './evidence/certificate.ts';
import type { Secured } from './tls.ts';

/** The domains that the peer of one stream has proven, what proved each, and the certificate it showed. */
export class ProvenDomains {
  /** What the TLS handshake agreed on; undefined while the stream is in clear. */
  tls: Secured | undefined;
  readonly #proof: CertificateProof;
  readonly #evidence = new Map<string, readonly Evidence[]>();

  constructor(proof: CertificateProof) {
    this.#proof = proof;
  }

  get size(): number {
    return this.#evidence.size;
  }

  has(domain: string): boolean {
    return this.#evidence.has(domain);
  }

  get(domain: string): readonly Evidence[] {
    return this.#evidence.get(domain) ?? [];
  }

  add(domain: string, evidence: readonly Evidence[]): void {
    this.#evidence.set(domain, evidence);
  }

  /** Each domain with its evidence, in the order in which they were proven. */
  [Symbol.iterator](): IterableIterator<[string, readonly Evidence[]]> {
    return this.#evidence.entries();
  }

  /** Earliest end of what proves the domains, ms since the epoch; infinity where nothing ends. */
  get until(): number {
    const ends = [...this.#evidence.values()].flat().map(({ notAfter }) => notAfter ?? Number.POSITIVE_INFINITY);
    return Math.min(Number.POSITIVE_INFINITY, ...ends);
  }

  /** What the peer's certificate says of any domain, also of one not proven yet (RFC 7712 §4.4.2). */
  certificateFor(domain: string): Evidence {
    return this.#proof.evidence(domain, this.tls?.chain ?? []);
  }

  /** Whether the certificate names a domain at all: cheap to ask, before the chain is verified. */
  mayProve(domain: string): boolean {
    const leaf = this.tls?.chain[0];
    return leaf !== undefined && this.#proof.names(leaf, domain);
  }

  /** What the journal is told when a domain is proven. */
  facts(evidence: readonly Evidence[]): JournalFields {
    return {
      evidence: evidence.map(({ proof, holds, reason, detail }) => ({ proof, holds, reason, detail })),
      tls: this.tls?.version,
      cipher: this.tls?.cipher,
    };
  }
}
