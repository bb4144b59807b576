import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { Fault } from '../policies/fault.ts';
import {
  asBuffer,
  childrenOf,
  type Der,
  Fields,
  readBits,
  readBoolean,
  readDer,
  readOid,
  readSmallInteger,
  tag,
} from './der.ts';
import { canonicalName } from './names.ts';
import { oids } from './oids.ts';

/** SHA-256 of the DER, lower-case hex. */
export function fingerprint(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

/** A subject is the peer's to choose: no more of it gets into a log line. */
const LABEL_CHARACTERS = 200;

/** One extension of RFC 5280 §4.2. */
interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/**
 * A certificate, read once: Node's view for signatures, keys and dates, and of the rest (RFC 5280 §4) what path
 * validation needs. The constructor throws `certificate-malformed`; nothing afterwards does.
 */
export class Certificate {
  readonly x509: X509Certificate;
  readonly fingerprint: string;
  /** DER of the subject. */
  readonly subject: Buffer;
  /** Names in one spelling (`canonicalName`), usable as map keys. */
  readonly subjectKey: string;
  readonly issuerKey: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** DER of the AlgorithmIdentifier of the signature. */
  readonly signatureAlgorithm: Der;
  /** cA of basicConstraints; `pathLength` undefined where there is no limit. */
  readonly authority: boolean;
  readonly pathLength: number | undefined;
  /** Bits of keyUsage (`keyUsage` of oids.ts), undefined where it is absent: everything. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  /** extendedKeyUsage, undefined where it is absent: everything. */
  readonly purposes: ReadonlySet<string> | undefined;
  /** GeneralNames of subjectAltName, in their order. */
  readonly altNames: readonly Der[];
  /** DER of nameConstraints. */
  readonly nameConstraints: Buffer | undefined;
  /** Hex; '' where absent. */
  readonly subjectKeyId: string;
  readonly authorityKeyId: string;
  /** Critical extensions that nothing here understands. */
  readonly unknownCritical: readonly string[];
  #publicKey: KeyObject | undefined;

  constructor(bytes: Uint8Array) {
    const outer = new Fields(readDer(bytes, tag.sequence));
    const tbs = new Fields(outer.take(tag.sequence));
    outer.take(tag.sequence);
    outer.take(tag.bitString);
    outer.end();

    const version = tbs.takeIf(tag.contextConstructed(0));
    tbs.take(tag.integer);
    this.signatureAlgorithm = tbs.take(tag.sequence);
    this.issuerKey = canonicalName(tbs.take(tag.sequence).whole).join('/');
    tbs.take(tag.sequence);
    this.subject = tbs.take(tag.sequence).whole;
    this.subjectKey = canonicalName(this.subject).join('/');
    tbs.take(tag.sequence);
    tbs.takeIf(tag.context(1));
    tbs.takeIf(tag.context(2));
    const extensionList = tbs.takeIf(tag.contextConstructed(3));
    tbs.end();
    if (
      extensionList !== undefined &&
      (version === undefined || readSmallInteger(readDer(version.content, tag.integer)) !== 2)
    ) {
      throw new Fault('certificate-malformed', 'Only version 3 certificates have extensions.');
    }
    const extensions = extensionList === undefined ? new Map<string, Extension>() : readExtensions(extensionList);

    const read = (id: string, expected: number): Der | undefined => {
      const extension = extensions.get(id);
      return extension === undefined ? undefined : readDer(extension.value, expected);
    };

    const basic = read(oids.basicConstraints, tag.sequence);
    const constraints = basic && new Fields(basic);
    const authority = constraints?.takeIf(tag.boolean);
    const pathLength = constraints?.takeIf(tag.integer);
    constraints?.end();
    this.authority = authority !== undefined && readBoolean(authority);
    this.pathLength = pathLength && readSmallInteger(pathLength);
    const usage = read(oids.keyUsage, tag.bitString);
    this.keyUsage = usage && readBits(usage);
    const purposes = read(oids.extendedKeyUsage, tag.sequence);
    this.purposes = purposes && new Set(childrenOf(purposes).map(readOid));
    const names = read(oids.subjectAltName, tag.sequence);
    this.altNames = names === undefined ? [] : childrenOf(names);
    this.nameConstraints = read(oids.nameConstraints, tag.sequence)?.whole;
    this.subjectKeyId = read(oids.subjectKeyIdentifier, tag.octetString)?.content.toString('hex') ?? '';
    const issuerId = read(oids.authorityKeyIdentifier, tag.sequence);
    this.authorityKeyId = (issuerId && new Fields(issuerId).takeIf(tag.context(0)))?.content.toString('hex') ?? '';
    this.unknownCritical = [...extensions]
      .filter(([id, { critical }]) => critical && !UNDERSTOOD.has(id))
      .map(([id]) => id);

    this.x509 = readByNode(asBuffer(bytes));
    this.notBefore = this.x509.validFromDate;
    this.notAfter = this.x509.validToDate;
    if (Number.isNaN(this.notBefore.getTime()) || Number.isNaN(this.notAfter.getTime())) {
      throw new Fault('certificate-malformed', 'The dates of the certificate cannot be read.');
    }
    this.fingerprint = fingerprint(bytes);
  }

  /** Subject and issuer are the same name (RFC 5280 §3.2: self-issued). */
  get selfIssued(): boolean {
    return this.subjectKey === this.issuerKey;
  }

  /** undefined for a key of a type or form that OpenSSL cannot read. */
  get publicKey(): KeyObject | undefined {
    try {
      this.#publicKey ??= this.x509.publicKey;
      return this.#publicKey;
    } catch {
      return undefined;
    }
  }

  /** Whether `issuer` signed this certificate; false also where its key cannot be used. */
  signedBy({ publicKey }: Certificate): boolean {
    try {
      return publicKey !== undefined && this.x509.verify(publicKey);
    } catch {
      return false;
    }
  }

  /** The subject as a line for people; Node escapes what is not printable. */
  get label(): string {
    const subject = this.x509.subject?.replaceAll('\n', ', ').slice(0, LABEL_CHARACTERS);
    return subject === undefined || subject === ''
      ? `the certificate ${this.fingerprint.slice(0, 16)}`
      : `"${subject}"`;
  }
}

/**
 * Extensions that path validation knows. certificatePolicies, policyMappings and inhibitAnyPolicy change nothing as
 * long as no policy is demanded (RFC 5280 §6.1.1 initial-explicit-policy), and none is.
 */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAltName,
  oids.nameConstraints,
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
  oids.certificatePolicies,
  oids.policyMappings,
  oids.inhibitAnyPolicy,
]);

function readExtensions(list: Der): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const element of childrenOf(readDer(list.content, tag.sequence))) {
    const fields = new Fields(element);
    const id = readOid(fields.take());
    const critical = fields.takeIf(tag.boolean);
    const value = fields.take(tag.octetString).content;
    fields.end();
    if (extensions.has(id)) throw new Fault('certificate-malformed', `The extension ${id} stands there twice.`);
    extensions.set(id, { critical: critical !== undefined && readBoolean(critical), value });
  }
  return extensions;
}

function readByNode(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new Fault('certificate-malformed', 'The certificate cannot be read.', { cause });
  }
}
