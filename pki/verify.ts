import type { X509Certificate } from 'node:crypto';
import { Fault } from '../policies/fault.ts';
import type { ReasonCode } from '../policies/reasons.ts';
import { Certificate } from './certificate.ts';
import { brokenConstraint } from './name-constraints.ts';
import { keyUsage, oids } from './oids.ts';
import { keyWeakness, signatureWeakness } from './strength.ts';
import type { TrustAnchors } from './trust.ts';

export { fingerprint } from './certificate.ts';

/**
 * What the leaf must be issued for; `either` is the rule of XMPP, as public authorities issue no clientAuth any more.
 * `sip` takes id-kp-sipDomain (RFC 5924) beside the two: OpenSSL finds no purpose in a certificate with that one alone,
 * and refuses it wherever OpenSSL itself is the judge.
 */
export type Purpose = 'serverAuth' | 'clientAuth' | 'either' | 'sip';

export interface VerifyOptions {
  readonly anchors: TrustAnchors;
  readonly now: Date;
  readonly purpose: Purpose;
}

export type ChainResult =
  | {
      readonly ok: true;
      /** Earliest expiry of the path: a stream must not outlive it (RFC 6120 §13.7.2.3). */
      readonly notAfter: Date;
      /** Leaf first, anchor last. */
      readonly path: readonly X509Certificate[];
    }
  | ChainFailure;

export interface ChainFailure {
  readonly ok: false;
  readonly reason: ReasonCode;
  /** One sentence for the operator: which certificate, and what about it. */
  readonly detail: string;
}

/** What a peer may make us do before it is proven: real chains have two to four certificates and under 10 KiB. */
const LIMITS = { certificates: 10, bytes: 65_536, pathLength: 8, signatureChecks: 64 };

/**
 * Of several failures the one that was nearest to success is told, so that the expiry of an otherwise good chain is
 * not reported as missing trust. Nearest first.
 */
const NEARNESS: readonly ReasonCode[] = [
  'certificate-expired',
  'certificate-not-yet-valid',
  'certificate-wrong-purpose',
  'certificate-weak',
  'certificate-bad-chain',
  'certificate-bad-signature',
  'certificate-malformed',
  'certificate-self-signed',
  'certificate-untrusted',
];

const failure = (reason: ReasonCode, detail: string): ChainFailure => ({ ok: false, reason, detail });

/**
 * Builds and validates a path (RFC 5280 §6, RFC 4158) from the leaf `chain[0]` to a trust anchor, over the other
 * certificates of `chain` (DER, any order; needless ones do no harm). Never throws, whatever the bytes. Names of the
 * peer and revocation are not judged here.
 */
export function verifyChain(chain: readonly Uint8Array[], options: VerifyOptions): ChainResult {
  const [leafDer, ...restDer] = chain;
  if (leafDer === undefined) return failure('certificate-missing', 'The peer presented no certificate.');
  const bytes = chain.reduce((sum, der) => sum + der.length, 0);
  if (chain.length > LIMITS.certificates || bytes > LIMITS.bytes) {
    return failure('certificate-bad-chain', `The chain is too long (${chain.length} certificates, ${bytes} bytes).`);
  }
  const search = new PathSearch(options);
  try {
    const leaf = new Certificate(leafDer);
    for (const der of restDer) search.offer(der);
    return search.extend([leaf]) ?? search.nearest;
  } catch (error) {
    return unreadable(error);
  }
}

/** Only reading hostile bytes can throw in here: whatever it was, they cannot be used. */
function unreadable(error: unknown): ChainFailure {
  return failure('certificate-malformed', error instanceof Fault ? error.message : 'The certificate cannot be read.');
}

/** Leaf first; every certificate is signed by the next. */
type Path = readonly [Certificate, ...Certificate[]];

/** A depth-first search for a path that holds, remembering why others did not. */
class PathSearch {
  readonly #options: VerifyOptions;
  readonly #offered = new Map<string, Certificate>();
  #signatureChecks = 0;
  #nearest = failure('certificate-untrusted', 'The chain leads to no trusted authority.');

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  get nearest(): ChainFailure {
    return this.#nearest;
  }

  /** Adds what the peer sent beside its leaf; one that cannot be read is left out and remembered. */
  offer(der: Uint8Array): void {
    try {
      const certificate = new Certificate(der);
      this.#offered.set(certificate.fingerprint, certificate);
    } catch (error) {
      this.#note(unreadable(error));
    }
  }

  /** The result for the first path that begins with this one and holds. */
  extend(path: Path): ChainResult | undefined {
    const last = path.at(-1) ?? path[0];
    const { anchors } = this.#options;
    if (anchors.fingerprints.has(last.fingerprint)) return this.#judge(path);
    if (path.length === LIMITS.pathLength) {
      this.#note(failure('certificate-bad-chain', `The path is longer than ${LIMITS.pathLength} certificates.`));
      return undefined;
    }
    const issuers = [...(anchors.bySubject.get(last.issuerKey) ?? []), ...this.#offered.values()].filter(
      (candidate) =>
        couldIssue(candidate, last) && !path.some(({ fingerprint }) => fingerprint === candidate.fingerprint),
    );
    if (issuers.length === 0) this.#note(deadEnd(path.length, last));
    for (const issuer of issuers) {
      this.#signatureChecks += 1;
      if (this.#signatureChecks > LIMITS.signatureChecks) {
        this.#note(failure('certificate-bad-chain', 'The chain has too many ways to be read.'));
        return undefined;
      }
      // Before the key is used: a needlessly large one would cost more than a handshake may.
      const weakness = keyWeakness(issuer);
      if (weakness !== undefined) {
        this.#note(failure('certificate-weak', weakness));
        continue;
      }
      if (!last.signedBy(issuer)) {
        this.#note(failure('certificate-bad-signature', `The signature of ${last.label} does not verify.`));
        continue;
      }
      const result = this.extend([...path, issuer]);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  #judge(path: Path): ChainResult | undefined {
    const found = judgePath(path, this.#options);
    if (found !== undefined) {
      this.#note(found);
      return undefined;
    }
    return {
      ok: true,
      notAfter: new Date(Math.min(...path.map(({ notAfter }) => notAfter.getTime()))),
      path: path.map(({ x509 }) => x509),
    };
  }

  #note(found: ChainFailure): void {
    if (NEARNESS.indexOf(found.reason) < NEARNESS.indexOf(this.#nearest.reason)) this.#nearest = found;
  }
}

function couldIssue(issuer: Certificate, subject: Certificate): boolean {
  const sameKey =
    subject.authorityKeyId === '' || issuer.subjectKeyId === '' || subject.authorityKeyId === issuer.subjectKeyId;
  return issuer.subjectKey === subject.issuerKey && sameKey;
}

/** No issuer is known for the last certificate of a path of this length. */
function deadEnd(length: number, last: Certificate): ChainFailure {
  if (!last.selfIssued) return failure('certificate-untrusted', `The issuer of ${last.label} is not trusted.`);
  if (length > 1) return failure('certificate-untrusted', `The chain ends at ${last.label}, which is not trusted.`);
  return keyWeakness(last) !== undefined || last.signedBy(last)
    ? failure('certificate-self-signed', `${last.label} is self-signed and not trusted.`)
    : failure('certificate-bad-signature', `The signature of ${last.label} does not verify.`);
}

/** The rules a signed path must keep, in the order of their reporting: dates last, so that "expired" says all else holds. */
const RULES: readonly ((path: Path, options: VerifyOptions) => ChainFailure | undefined)[] = [
  criticalExtensions,
  authorities,
  nameConstraints,
  strength,
  purposes,
  dates,
];

function judgePath(path: Path, options: VerifyOptions): ChainFailure | undefined {
  for (const rule of RULES) {
    const found = rule(path, options);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** RFC 5280 §4.2: a critical extension that is not understood. What the administrator lists as an anchor is exempt. */
function criticalExtensions(path: Path): ChainFailure | undefined {
  const certificate = path.slice(0, -1).find(({ unknownCritical }) => unknownCritical.length > 0);
  if (certificate === undefined) return undefined;
  const ids = certificate.unknownCritical.join(', ');
  return failure(
    'certificate-bad-chain',
    `${certificate.label} has a critical extension that is not supported: ${ids}.`,
  );
}

/** RFC 5280 §6.1.4 (k) to (n), and RFC 6120 §13.7.2: a server's certificate is no authority (unless it is pinned). */
function authorities(path: Path): ChainFailure | undefined {
  const [leaf, ...issuers] = path;
  if (leaf.authority && issuers.length > 0) {
    return failure('certificate-bad-chain', `${leaf.label} is the certificate of an authority, not of a server.`);
  }
  let between = 0;
  for (const issuer of issuers) {
    if (!issuer.authority || issuer.keyUsage?.has(keyUsage.keyCertSign) === false) {
      return failure('certificate-bad-chain', `${issuer.label} is not allowed to issue certificates.`);
    }
    if (issuer.pathLength !== undefined && between > issuer.pathLength) {
      return failure('certificate-bad-chain', `${issuer.label} allows only ${issuer.pathLength} authorities below it.`);
    }
    if (!issuer.selfIssued) between += 1;
  }
  return undefined;
}

function nameConstraints(path: Path): ChainFailure | undefined {
  for (const [position, authority] of path.entries()) {
    for (const [index, below] of path.slice(0, position).entries()) {
      // RFC 5280 §6.1.3 (b): a self-issued authority is exempt, a leaf never.
      if (index > 0 && below.selfIssued) continue;
      const broken = brokenConstraint(authority, below);
      if (broken !== undefined) return failure('certificate-bad-chain', broken);
    }
  }
  return undefined;
}

/** The keys of issuers are judged before their use. The signature of the anchor proves nothing and is not looked at. */
function strength(path: Path): ChainFailure | undefined {
  const signatures = path.slice(0, -1).map(signatureWeakness);
  const weakness = keyWeakness(path[0]) ?? signatures.find((found) => found !== undefined);
  return weakness === undefined ? undefined : failure('certificate-weak', weakness);
}

/** Uses of a key of which TLS needs one (RFC 5280 §4.2.1.12). */
const TLS_USAGES = [keyUsage.digitalSignature, keyUsage.keyEncipherment, keyUsage.keyAgreement];

const WANTED: Readonly<Record<Purpose, readonly string[]>> = {
  serverAuth: [oids.serverAuth],
  clientAuth: [oids.clientAuth],
  either: [oids.serverAuth, oids.clientAuth],
  sip: [oids.serverAuth, oids.clientAuth, oids.sipDomain],
};

/** RFC 5280 §4.2.1.12; as everywhere in TLS, purposes of an authority limit what it issues. */
function purposes(path: Path, { purpose }: VerifyOptions): ChainFailure | undefined {
  const [leaf] = path;
  if (leaf.keyUsage !== undefined && !TLS_USAGES.some((usage) => leaf.keyUsage?.has(usage))) {
    return failure('certificate-wrong-purpose', `The key of ${leaf.label} is not meant for TLS.`);
  }
  let wanted: readonly string[] = WANTED[purpose];
  for (const certificate of path) {
    const allowed = certificate.purposes;
    if (allowed === undefined || allowed.has(oids.anyExtendedKeyUsage)) continue;
    wanted = wanted.filter((id) => allowed.has(id));
    if (wanted.length === 0) {
      return failure('certificate-wrong-purpose', `${certificate.label} is not issued for this purpose.`);
    }
  }
  return undefined;
}

function dates(path: Path, { now }: VerifyOptions): ChainFailure | undefined {
  const expired = path.find(({ notAfter }) => now > notAfter);
  if (expired !== undefined) {
    return failure('certificate-expired', `${expired.label} expired on ${expired.notAfter.toISOString()}.`);
  }
  const early = path.find(({ notBefore }) => now < notBefore);
  if (early === undefined) return undefined;
  return failure('certificate-not-yet-valid', `${early.label} is not valid before ${early.notBefore.toISOString()}.`);
}
