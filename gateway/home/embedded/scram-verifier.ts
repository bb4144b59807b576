import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** The hash functions of SCRAM-SHA-1 (RFC 5802) and SCRAM-SHA-256 (RFC 7677). */
export type ScramHash = 'SHA-1' | 'SHA-256';

/** What a server keeps of a password, RFC 5802 §3: enough to recognise who knows it, not enough to pose as one who does. */
export interface ScramVerifier {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/**
 * Rounds of PBKDF2 for new passwords, the same as other XMPP servers' so that no phone drains over a login: the client
 * computes them at every sign-in, we only when a password is set (some 5 ms in the thread pool).
 */
export const ITERATIONS = 10_000;

const digests = { 'SHA-1': 'sha1', 'SHA-256': 'sha256' } as const;
const lengths = { 'SHA-1': 20, 'SHA-256': 32 } as const;
const derive = promisify(pbkdf2);

/** `SaltedPassword`, RFC 5802 §3; `password` is prepared. */
export function saltPassword(hash: ScramHash, password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return derive(password, salt, iterations, lengths[hash], digests[hash]);
}

/** The verifier of a prepared password. */
export async function verifierOf(
  hash: ScramHash,
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<ScramVerifier> {
  const salted = await saltPassword(hash, password, salt, iterations);
  const storedKey = digest(hash, hmac(hash, salted, 'Client Key'));
  return { salt, iterations, storedKey, serverKey: hmac(hash, salted, 'Server Key') };
}

/** `ClientProof` for an `AuthMessage`, RFC 5802 §3. */
export function clientProof(hash: ScramHash, salted: Buffer, authMessage: string): Buffer {
  const clientKey = hmac(hash, salted, 'Client Key');
  return xor(clientKey, hmac(hash, digest(hash, clientKey), authMessage));
}

/** Whether a `ClientProof` shows knowledge of the password; takes as long either way. */
export function proves(hash: ScramHash, verifier: ScramVerifier, authMessage: string, proof: Buffer): boolean {
  if (proof.length !== lengths[hash]) return false;
  const clientKey = xor(proof, hmac(hash, verifier.storedKey, authMessage));
  return timingSafeEqual(digest(hash, clientKey), verifier.storedKey);
}

/** `ServerSignature`, by which the client knows us, from the salted password (client) or the verifier (server). */
export function serverSignature(hash: ScramHash, key: Buffer | ScramVerifier, authMessage: string): Buffer {
  const serverKey = Buffer.isBuffer(key) ? hmac(hash, key, 'Server Key') : key.serverKey;
  return hmac(hash, serverKey, authMessage);
}

/** A verifier that no password fits, and the same at each call with this key and name. */
export function decoyVerifier(hash: ScramHash, key: Buffer, name: string, iterations: number): ScramVerifier {
  const made = (what: string): Buffer => createHmac('sha256', key).update(`${what} ${hash} ${name}`).digest();
  const length = lengths[hash];
  return {
    salt: made('salt').subarray(0, SALT_BYTES),
    iterations,
    storedKey: made('stored').subarray(0, length),
    serverKey: made('server').subarray(0, length),
  };
}

export const SALT_BYTES = 16;

function hmac(hash: ScramHash, key: Buffer, text: string): Buffer {
  return createHmac(digests[hash], key).update(text).digest();
}

function digest(hash: ScramHash, data: Buffer): Buffer {
  return createHash(digests[hash]).update(data).digest();
}

function xor(one: Buffer, two: Buffer): Buffer {
  return Buffer.from(one.map((byte, n) => byte ^ (two[n] as number)));
}
