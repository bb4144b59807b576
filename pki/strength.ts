import type { Certificate } from './certificate.ts';
import { Fields, readOid, tag } from './der.ts';
import { oids } from './oids.ts';

/** Bits of an RSA modulus: at least 112 bits of strength (RFC 9325 §4.5); at most what a handshake may cost us. */
const RSA_BITS = { least: 2048, most: 8192 };
/** No key in use has a larger exponent; a large one makes verification as dear as signing. */
const RSA_EXPONENT = { least: 3n, most: 2n ** 32n };
/** OpenSSL names of curves of 128 bits of strength and more. */
const CURVES: ReadonlySet<string> = new Set([
  'prime256v1',
  'secp384r1',
  'secp521r1',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
]);
const SIGNATURES: ReadonlySet<string> = new Set([
  oids.rsaSha256,
  oids.rsaSha384,
  oids.rsaSha512,
  oids.ecdsaSha256,
  oids.ecdsaSha384,
  oids.ecdsaSha512,
  oids.ed25519,
  oids.ed448,
]);
const HASHES: ReadonlySet<string> = new Set([oids.sha256, oids.sha384, oids.sha512]);

/** What is wrong with the key, in words; undefined where it is strong enough. */
export function keyWeakness({ publicKey, label }: Certificate): string | undefined {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = 'unnamed' } = publicKey?.asymmetricKeyDetails ?? {};
  switch (publicKey?.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      if (modulusLength < RSA_BITS.least || modulusLength > RSA_BITS.most) {
        return `The RSA key of ${label} has ${modulusLength} bits; ${RSA_BITS.least} to ${RSA_BITS.most} are accepted.`;
      }
      if (publicExponent < RSA_EXPONENT.least || publicExponent > RSA_EXPONENT.most) {
        return `The RSA key of ${label} has an exponent that is not accepted.`;
      }
      return undefined;
    case 'ec':
      return CURVES.has(namedCurve) ? undefined : `The curve ${namedCurve} of ${label} is not accepted.`;
    case 'ed25519':
    case 'ed448':
      return undefined;
    default:
      return `Keys of the type of ${label} are not accepted.`;
  }
}

/** What is wrong with the algorithm of the signature (MD5, SHA-1, unknown), in words. Throws `certificate-malformed`. */
export function signatureWeakness({ signatureAlgorithm, label }: Certificate): string | undefined {
  const fields = new Fields(signatureAlgorithm);
  const algorithm = readOid(fields.take());
  if (SIGNATURES.has(algorithm)) return undefined;
  if (algorithm === oids.rsaPss && HASHES.has(pssHash(fields))) return undefined;
  return `${label} is signed with an algorithm that is not accepted (${algorithm}).`;
}

/** hashAlgorithm of RSASSA-PSS-params (RFC 4055 §3.1); '' where it is left at its default, SHA-1. */
function pssHash(fields: Fields): string {
  const hash = new Fields(fields.take(tag.sequence)).takeIf(tag.contextConstructed(0));
  return hash === undefined ? '' : readOid(new Fields(new Fields(hash).take(tag.sequence)).take());
}
