import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { promisify } from 'node:util';
import { foldDomain } from '../policies/address.ts';
import { Fault } from '../policies/fault.ts';
import { Certificate } from './certificate.ts';
import * as asn1 from './der.ts';
import { generalName, keyUsage, oids } from './oids.ts';
import { certificateBlocks, writePem } from './pem.ts';

/** A certificate and its key, both PEM; the key is PKCS#8 and not encrypted. */
export interface KeyPair {
  /** The certificate first, then the intermediates above it: what a server presents. The root is left out. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A key pair that may issue. */
export type Authority = KeyPair;

export type KeyType = 'ec' | 'rsa';

interface Validity {
  /** Default: an hour ago, so that a peer whose clock is slow accepts it. */
  readonly notBefore?: Date | undefined;
  readonly notAfter?: Date | undefined;
}

export interface AuthorityOptions extends Validity {
  /** Common name. */
  readonly name: string;
  /** Makes an intermediate of this authority; without it a root. */
  readonly issuer?: Authority | undefined;
  /** How many intermediates may follow (RFC 5280 §4.2.1.9); default no limit. */
  readonly pathLength?: number | undefined;
  /** DNS subtrees it may issue for (RFC 5280 §4.2.1.10), e.g. `contoso.example`; default all. */
  readonly permittedDomains?: readonly string[] | undefined;
  /** Default ec (P-256); rsa has 3072 bits. */
  readonly keyType?: KeyType | undefined;
}

export interface CertificateOptions extends Validity {
  /** dNSName: domains in any spelling, also `*.domain`. */
  readonly domains: readonly string[];
  /** SRVName, e.g. `_xmpp-server.contoso.example` (RFC 4985). */
  readonly srvNames?: readonly string[] | undefined;
  /** XmppAddr (RFC 6120 §13.7.1.4), written as given. */
  readonly xmppAddresses?: readonly string[] | undefined;
  /** uniformResourceIdentifier, e.g. `sip:contoso.example` (RFC 5922), ASCII. */
  readonly uris?: readonly string[] | undefined;
  /** Extended key usage; default both. */
  readonly purposes?: readonly ('serverAuth' | 'clientAuth' | 'sipDomain')[] | undefined;
  /** Default: the first name, for people only (no verifier here reads it). '' leaves the subject empty. */
  readonly commonName?: string | undefined;
  /** Default ec (P-256); rsa has 3072 bits. */
  readonly keyType?: KeyType | undefined;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Lifetimes where none is given, ms. */
const AUTHORITY_LIFETIME = 3650 * DAY;
const CERTIFICATE_LIFETIME = 365 * DAY;
/** ub-common-name, RFC 5280 appendix A.1. */
const COMMON_NAME_CHARACTERS = 64;
const SERVICE = /^(_[a-z0-9-]{1,63})\.(.+)$/i;
const ASCII = /^[\x21-\x7e]+$/;

const generate = promisify(generateKeyPair);

/** Creates a root, or an intermediate where `issuer` is given. Lives ten years where `notAfter` is not given. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const permitted = (options.permittedDomains ?? []).map((domain) => dnsName(domain));
  return produce({
    options,
    issuer: options.issuer,
    lifetime: AUTHORITY_LIFETIME,
    commonName: options.name,
    extensions: [
      extension(oids.basicConstraints, true, asn1.sequence(asn1.boolean(true), ...pathLength(options.pathLength))),
      extension(oids.keyUsage, true, asn1.namedBits([keyUsage.keyCertSign, keyUsage.crlSign])),
      ...(permitted.length === 0 ? [] : [permittedSubtrees(permitted)]),
    ],
  });
}

/**
 * Issues a certificate for a server of these names. Lives a year, and no longer than its authority, where `notAfter`
 * is not given. Throws `wrong-use` for a name that cannot stand in a certificate and for an authority that cannot be
 * read.
 */
export async function issueCertificate(authority: Authority, options: CertificateOptions): Promise<KeyPair> {
  return produceEndEntity(options, authority);
}

/** A certificate signed with its own key: for who pins it, and for tests. It is no authority. */
export async function selfSignedCertificate(options: CertificateOptions): Promise<KeyPair> {
  return produceEndEntity(options, undefined);
}

async function produceEndEntity(options: CertificateOptions, issuer: Authority | undefined): Promise<KeyPair> {
  const names = altNames(options);
  const first = options.domains[0] ?? options.xmppAddresses?.[0] ?? '';
  const commonName = options.commonName ?? (first.length <= COMMON_NAME_CHARACTERS ? first : '');
  const purposes = options.purposes ?? ['serverAuth', 'clientAuth'];
  // An RSA key also serves the RSA key exchange of TLS 1.2, which old peers still choose.
  const usages = [keyUsage.digitalSignature, ...(options.keyType === 'rsa' ? [keyUsage.keyEncipherment] : [])];
  return produce({
    options,
    issuer,
    lifetime: CERTIFICATE_LIFETIME,
    commonName,
    extensions: [
      extension(oids.basicConstraints, true, asn1.sequence()),
      extension(oids.keyUsage, true, asn1.namedBits(usages)),
      extension(oids.extendedKeyUsage, false, asn1.sequence(...purposes.map((purpose) => asn1.oid(oids[purpose])))),
      // RFC 5280 §4.2.1.6: with an empty subject the names are all there is, and critical.
      ...(names.length === 0 ? [] : [extension(oids.subjectAltName, commonName === '', asn1.sequence(...names))]),
    ],
  });
}

interface Draft {
  readonly options: Validity & { readonly keyType?: KeyType | undefined };
  /** undefined: signed with its own key. */
  readonly issuer: Authority | undefined;
  readonly lifetime: number;
  readonly commonName: string;
  readonly extensions: readonly Buffer[];
}

/** RFC 5280 §4.1: key, TBSCertificate, signature. */
async function produce({ options, issuer, lifetime, commonName, extensions }: Draft): Promise<KeyPair> {
  const privateKey = await newKey(options.keyType ?? 'ec');
  const publicKey = spkiOf(createPublicKey(privateKey));
  const keyId = keyIdOf(publicKey);
  const above = issuer === undefined ? undefined : openAuthority(issuer);
  const signingKey = above?.key ?? privateKey;
  const subject = distinguishedName(commonName);
  const notBefore = options.notBefore ?? new Date(Date.now() - HOUR);
  const latest = Math.min(Date.now() + lifetime, above?.certificate.notAfter.getTime() ?? Number.POSITIVE_INFINITY);
  const algorithm = signatureAlgorithm(signingKey);
  const tbs = asn1.sequence(
    asn1.der(asn1.tag.contextConstructed(0), asn1.integer(Buffer.of(2))),
    asn1.integer(serialNumber()),
    algorithm,
    above?.certificate.subject ?? subject,
    asn1.sequence(asn1.time(notBefore), asn1.time(options.notAfter ?? new Date(latest))),
    subject,
    publicKey,
    asn1.der(
      asn1.tag.contextConstructed(3),
      asn1.sequence(
        ...extensions,
        extension(oids.subjectKeyIdentifier, false, asn1.octetString(keyId)),
        extension(
          oids.authorityKeyIdentifier,
          false,
          asn1.sequence(asn1.der(asn1.tag.context(0), above === undefined ? keyId : above.keyId)),
        ),
      ),
    ),
  );
  const certificate = asn1.sequence(tbs, algorithm, asn1.bitString(sign('sha256', tbs, signingKey)));
  return {
    certificatePem: writePem('CERTIFICATE', certificate) + (above?.presentedPem ?? ''),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

async function newKey(type: KeyType): Promise<KeyObject> {
  const { privateKey } =
    type === 'rsa'
      ? await generate('rsa', { modulusLength: 3072 })
      : await generate('ec', { namedCurve: 'prime256v1' });
  return privateKey;
}

interface OpenAuthority {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  readonly keyId: Buffer;
  /** What of the authority belongs into the chain that a server presents. */
  readonly presentedPem: string;
}

function openAuthority({ certificatePem, keyPem }: Authority): OpenAuthority {
  const { certificate, key } = readAuthority(certificatePem, keyPem);
  if (!certificate.authority) throw new Fault('wrong-use', `${certificate.label} is no authority and cannot issue.`);
  if (!certificate.x509.checkPrivateKey(key)) throw new Fault('wrong-use', 'The key of the authority is another one.');
  const ownKeyId = certificate.subjectKeyId;
  return {
    certificate,
    key,
    keyId: ownKeyId === '' ? keyIdOf(spkiOf(createPublicKey(key))) : Buffer.from(ownKeyId, 'hex'),
    presentedPem: certificate.selfIssued ? '' : certificatePem,
  };
}

function readAuthority(certificatePem: string, keyPem: string): { certificate: Certificate; key: KeyObject } {
  try {
    const der = certificateBlocks(certificatePem)[0]?.der ?? Buffer.alloc(0);
    return { certificate: new Certificate(der), key: createPrivateKey(keyPem) };
  } catch (cause) {
    throw new Fault('wrong-use', 'The certificate or key of the authority cannot be read.', { cause });
  }
}

/** 128 random bits, positive and of constant length (RFC 5280 §4.1.2.2 allows 20 octets). */
function serialNumber(): Buffer {
  return Buffer.concat([Buffer.of(0x01), randomBytes(16)]);
}

const spkiOf = (publicKey: KeyObject): Buffer => publicKey.export({ type: 'spki', format: 'der' });

/**
 * RFC 5280 §4.2.1.2 method 1. No security rests on its SHA-1, and every software computes the same, so that a
 * cross-certificate made elsewhere for one of our authorities fits what the authority issued.
 */
function keyIdOf(spki: Buffer): Buffer {
  const fields = new asn1.Fields(asn1.readDer(spki, asn1.tag.sequence));
  fields.take();
  const key = fields.take(asn1.tag.bitString).content.subarray(1);
  return createHash('sha1').update(key).digest();
}

function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'ec') return asn1.sequence(asn1.oid(oids.ecdsaSha256));
  if (key.asymmetricKeyType === 'rsa') return asn1.sequence(asn1.oid(oids.rsaSha256), NULL);
  throw new Fault('wrong-use', `An authority with a key of type ${key.asymmetricKeyType} cannot issue here.`);
}

/** NULL, the parameters of RSA algorithms (RFC 4055 §5). */
const NULL = Buffer.of(0x05, 0x00);

function distinguishedName(commonName: string): Buffer {
  if (commonName === '') return asn1.sequence();
  const value = asn1.der(asn1.tag.utf8String, Buffer.from(commonName));
  return asn1.sequence(asn1.der(asn1.tag.set, asn1.sequence(asn1.oid(oids.commonName), value)));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return asn1.sequence(asn1.oid(id), ...(critical ? [asn1.boolean(true)] : []), asn1.octetString(value));
}

function pathLength(length: number | undefined): Buffer[] {
  return length === undefined ? [] : [asn1.integer(Buffer.of(length))];
}

function permittedSubtrees(names: readonly Buffer[]): Buffer {
  const trees = asn1.der(asn1.tag.contextConstructed(0), ...names.map((name) => asn1.sequence(name)));
  return extension(oids.nameConstraints, true, asn1.sequence(trees));
}

/** GeneralNames of RFC 5280 §4.2.1.6. */
function altNames(options: CertificateOptions): Buffer[] {
  return [
    ...options.domains.map(dnsName),
    ...(options.srvNames ?? []).map((name) => otherName(oids.dnsSrv, asn1.tag.ia5String, srvName(name))),
    ...(options.xmppAddresses ?? []).map((name) => otherName(oids.xmppAddr, asn1.tag.utf8String, name)),
    ...(options.uris ?? []).map(uriName),
  ];
}

function dnsName(name: string): Buffer {
  return asn1.der(asn1.tag.context(generalName.dns), Buffer.from(domainName(name), 'latin1'));
}

/** A-label form; the left-most label may be `*`. */
function domainName(name: string): string {
  const wildcard = name.startsWith('*.');
  const domain = foldDomain(wildcard ? name.slice(2) : name);
  if (domain === undefined || /^\[|^[\d.]+$/.test(domain)) throw new Fault('wrong-use', `"${name}" is no domain name.`);
  return wildcard ? `*.${domain}` : domain;
}

function srvName(name: string): string {
  const [, service, domain] = SERVICE.exec(name) ?? [];
  if (service === undefined || domain === undefined) throw new Fault('wrong-use', `"${name}" is no SRV name.`);
  return `${service}.${domainName(domain)}`;
}

function uriName(uri: string): Buffer {
  if (!ASCII.test(uri)) throw new Fault('wrong-use', `"${uri}" is no URI.`);
  return asn1.der(asn1.tag.context(generalName.uri), Buffer.from(uri, 'latin1'));
}

function otherName(type: string, valueTag: number, value: string): Buffer {
  const explicit = asn1.der(asn1.tag.contextConstructed(0), asn1.der(valueTag, Buffer.from(value)));
  return asn1.der(asn1.tag.contextConstructed(generalName.other), asn1.oid(type), explicit);
}
