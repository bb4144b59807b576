import { type Identities, identitiesOf } from '../../../pki/identity.ts';
import { namesSipDomain, sipIdentities } from '../../../pki/sip-identity.ts';
import type { TrustAnchors } from '../../../pki/trust.ts';
import { type ChainResult, fingerprint, type Purpose, verifyChain } from '../../../pki/verify.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Evidence } from '../../bridge/ports.ts';

/** How the certificate of a trunk is read. */
export interface CertificateDemand {
  readonly wildcards: boolean;
  readonly purpose: Purpose;
}

/** Names of a certificate that a log line tells. */
const TOLD_NAMES = 10;
/** Domains asked of one connection whose evidence is remembered: those of From are the peer's to choose. */
const REMEMBERED = 64;

interface Read {
  readonly identities: Identities | undefined;
  readonly results: Map<Purpose, ChainResult>;
  /** By purpose, wildcards and domain. */
  readonly evidence: Map<string, Evidence>;
}

/**
 * Proof by domain certificate (RFC 5922): the chain leads to a trust anchor and its leaf names the domain. Public
 * authorities issue for servers only, so by default any purpose that SIP knows will do, in either direction.
 */
export class DomainCertificate {
  #anchors: TrustAnchors;
  readonly #now: () => number;
  /** Judged once a connection: by the very array that it keeps. */
  #read = new WeakMap<readonly Buffer[], Read>();

  /** @param now ms since the epoch. */
  constructor(anchors: TrustAnchors, now: () => number) {
    this.#anchors = anchors;
    this.#now = now;
  }

  /** Connections that stand are judged anew. */
  replaceAnchors(anchors: TrustAnchors): void {
    this.#anchors = anchors;
    this.#read = new WeakMap();
  }

  /** Judges the chain of a connection (DER, leaf first) for a domain. Never throws. */
  evidence(domain: string, presented: readonly Buffer[], demand: CertificateDemand): Evidence {
    const [leaf] = presented;
    if (leaf === undefined) return refuted(domain, 'certificate-missing', 'No certificate was presented.');
    const read = this.#reading(presented, leaf);
    const key = `${demand.purpose} ${demand.wildcards} ${domain}`;
    const known = read.evidence.get(key);
    if (known !== undefined && (known.notAfter === undefined || known.notAfter >= this.#now())) return known;
    const found = this.#judge(domain, presented, leaf, read, demand);
    if (read.evidence.size >= REMEMBERED) read.evidence.clear();
    // What is not valid yet may become so while the connection stands.
    if (found.reason !== 'certificate-not-yet-valid') read.evidence.set(key, found);
    return found;
  }

  #judge(
    domain: string,
    presented: readonly Buffer[],
    leaf: Buffer,
    read: Read,
    { wildcards, purpose }: CertificateDemand,
  ): Evidence {
    const result = this.#verify(read, presented, purpose);
    if (!result.ok) return refuted(domain, result.reason, result.detail);
    const notAfter = result.notAfter.getTime();
    if (notAfter < this.#now()) {
      return refuted(domain, 'certificate-expired', 'The certificate has expired since the connection was opened.');
    }
    const { identities } = read;
    if (identities === undefined || !namesSipDomain(identities, domain, { wildcards })) {
      const names = identities === undefined ? [] : sipIdentities(identities, { wildcards: true });
      const told = names.slice(0, TOLD_NAMES).join(', ') || 'no SIP domain';
      return refuted(domain, 'certificate-wrong-name', `The certificate names ${told}.`);
    }
    const detail = `sha256:${fingerprint(leaf)}`;
    return { proof: 'certificate', domain, holds: true, reason: 'allowed', detail, notAfter };
  }

  #reading(presented: readonly Buffer[], leaf: Buffer): Read {
    const known = this.#read.get(presented);
    if (known !== undefined) return known;
    const read: Read = { identities: identitiesOrNone(leaf), results: new Map(), evidence: new Map() };
    this.#read.set(presented, read);
    return read;
  }

  #verify(read: Read, presented: readonly Buffer[], purpose: Purpose): ChainResult {
    const judged = read.results.get(purpose);
    if (judged !== undefined) return judged;
    const result = verifyChain(presented, { anchors: this.#anchors, now: new Date(this.#now()), purpose });
    if (result.ok || result.reason !== 'certificate-not-yet-valid') read.results.set(purpose, result);
    return result;
  }
}

function refuted(domain: string, reason: ReasonCode, detail: string): Evidence {
  return { proof: 'certificate', domain, holds: false, reason, detail };
}

function identitiesOrNone(leaf: Buffer): Identities | undefined {
  try {
    return identitiesOf(leaf);
  } catch {
    return undefined;
  }
}
