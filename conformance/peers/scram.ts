import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);
/** `n`: no channel binding (RFC 5802 §6). */
const gs2Header = 'n,,';

/** A client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677). Names and passwords are ASCII. */
export class Scram {
  readonly #password: string;
  readonly #nonce: string;
  readonly #firstBare: string;
  #serverSignature: Buffer = Buffer.alloc(0);

  /** `nonce` is for tests of this class. */
  constructor(username: string, password: string, nonce: string = randomBytes(18).toString('base64')) {
    this.#password = password;
    this.#nonce = nonce;
    this.#firstBare = `n=${username},r=${nonce}`;
  }

  first(): string {
    return `${gs2Header}${this.#firstBare}`;
  }

  /** Answers server-first. Rejects when the server's nonce does not continue ours. */
  async answer(serverFirst: string): Promise<string> {
    const { r: nonce = '', s: salt = '', i: iterations } = attributes(serverFirst);
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce) throw new Error(`a foreign nonce: ${serverFirst}`);
    const salted = await derive(this.#password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const withoutProof = `c=${Buffer.from(gs2Header).toString('base64')},r=${nonce}`;
    const message = `${this.#firstBare},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash('sha256').update(clientKey).digest(), message);
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), message);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Throws when the server does not know the password either. */
  verify(serverFinal: string): void {
    const signature = Buffer.from(attributes(serverFinal).v ?? '', 'base64');
    if (signature.length !== this.#serverSignature.length || !timingSafeEqual(signature, this.#serverSignature)) {
      throw new Error(`the server did not prove itself: ${serverFinal}`);
    }
  }
}

function hmac(key: Buffer, message: string): Buffer {
  return createHmac('sha256', key).update(message).digest();
}

function attributes(message: string): Readonly<Record<string, string>> {
  return Object.fromEntries(message.split(',').map((one) => [one.slice(0, 1), one.slice(2)]));
}
