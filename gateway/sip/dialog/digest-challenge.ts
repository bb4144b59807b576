import { createHash } from 'node:crypto';
import { classes, isIn, listElements, quotedText, skipSpace, trimmed, unquoted } from '../message/text.ts';

/** The algorithms that we use, the strongest first (RFC 8760 §2.1), and the hash of each in OpenSSL's words. */
const algorithms: ReadonlyMap<string, string> = new Map([
  ['SHA-512-256', 'sha512-256'],
  ['SHA-256', 'sha256'],
  ['MD5', 'md5'],
]);
const order = [...algorithms.keys()];

/** What a server asks for, or what of it stands in credentials. */
export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: string;
  /** Whether `qop=auth` is used; without, the response is that of RFC 2069. */
  readonly qop: boolean;
  readonly opaque: string | undefined;
  /** The nonce was too old, the password right. */
  readonly stale: boolean;
}

/** What the proof is made of, besides the challenge. */
export interface Proof {
  readonly username: string;
  readonly password: string;
  readonly method: string;
  /** The Request-URI as sent. */
  readonly uri: string;
  readonly cnonce: string;
  /** How often the nonce was used, this time included. */
  readonly count: number;
}

/**
 * Reads a WWW-Authenticate or Proxy-Authenticate, or the same of credentials that we sent; undefined for what we do
 * not answer: other schemes and algorithms, `auth-int` alone, and what is malformed.
 */
export function readChallenge(text: string): Challenge | undefined {
  const params = digestParams(text);
  const realm = params?.get('realm');
  const nonce = params?.get('nonce');
  const algorithm = (params?.get('algorithm') ?? 'MD5').toUpperCase();
  const offered = params
    ?.get('qop')
    ?.split(',')
    .map((qop) => qop.trim().toLowerCase());
  if (params === undefined || realm === undefined || nonce === undefined || !algorithms.has(algorithm))
    return undefined;
  if (offered?.includes('auth') === false) return undefined;
  const stale = params.get('stale')?.toLowerCase() === 'true';
  return { realm, nonce, algorithm, qop: offered !== undefined, opaque: params.get('opaque'), stale };
}

/** Less than 0 where `a` is the stronger challenge, whatever the order that the server gave them. */
export function byStrength(a: Challenge, b: Challenge): number {
  return order.indexOf(a.algorithm) - order.indexOf(b.algorithm);
}

/** The value of Authorization or Proxy-Authorization (RFC 7616 §3.4). */
export function formatCredentials(challenge: Challenge, proof: Proof): string {
  const { realm, nonce, algorithm, qop, opaque } = challenge;
  const { username, uri, cnonce } = proof;
  const parts = [
    `username=${quotedText(username)}`,
    `realm=${quotedText(realm)}`,
    `nonce=${quotedText(nonce)}`,
    `uri=${quotedText(uri)}`,
    `response="${digestResponse(challenge, proof)}"`,
    `algorithm=${algorithm}`,
  ];
  if (opaque !== undefined) parts.push(`opaque=${quotedText(opaque)}`);
  if (qop) parts.push(`cnonce=${quotedText(cnonce)}`, 'qop=auth', `nc=${countText(proof.count)}`);
  return `Digest ${parts.join(', ')}`;
}

/** The proof of the password (RFC 7616 §3.4.1; without qop RFC 2617 §3.2.2.1). */
export function digestResponse({ realm, nonce, algorithm, qop }: Challenge, proof: Proof): string {
  const hash = (text: string): string =>
    createHash(algorithms.get(algorithm) ?? 'sha256')
      .update(text)
      .digest('hex');
  const secret = hash(`${proof.username}:${realm}:${proof.password}`);
  const request = hash(`${proof.method}:${proof.uri}`);
  const between = qop ? `${nonce}:${countText(proof.count)}:${proof.cnonce}:auth` : nonce;
  return hash(`${secret}:${between}:${request}`);
}

function countText(count: number): string {
  return count.toString(16).padStart(8, '0');
}

/** The parameters behind `Digest`, names in lower case; undefined where it is another scheme, malformed or ambiguous. */
function digestParams(text: string): ReadonlyMap<string, string> | undefined {
  const space = text.indexOf(' ');
  if (space < 0 || text.slice(0, space).toLowerCase() !== 'digest') return undefined;
  const params = new Map<string, string>();
  for (const element of listElements(text.slice(skipSpace(text, space)))) {
    const equal = element.indexOf('=');
    const name = trimmed(element.slice(0, Math.max(0, equal))).toLowerCase();
    const value = trimmed(element.slice(equal + 1));
    if (!isIn(name, classes.token) || params.has(name)) return undefined;
    const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
    params.set(name, quoted ? unquoted(value) : value);
  }
  return params;
}
