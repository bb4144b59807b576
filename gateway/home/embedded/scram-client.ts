import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Fault } from '../../../policies/fault.ts';
import type { BindingType, ChannelBindings } from './channel-binding.ts';
import { preparePassword } from './password.ts';
import { escapeName, type Mechanism, mechanisms, readAttributes, readBase64 } from './scram-message.ts';
import { clientProof, type ScramHash, saltPassword, serverSignature } from './scram-verifier.ts';

export interface ScramLogin {
  readonly username: string;
  readonly password: string;
  /** The mechanisms the server offered. */
  readonly offered: readonly string[];
  /** What our end of the channel can be bound to, best first; empty without TLS. */
  readonly bindings: ChannelBindings;
  /** The types the server announces (XEP-0440), undefined where it does not say. */
  readonly announced?: readonly string[];
  /** Our part of the nonce. */
  readonly nonce?: string;
}

/** Fewer rounds are an attack on the password, RFC 7677 §4; more than this one on us. */
const ROUNDS = { least: 4096, most: 1_000_000 } as const;

/** The client's side of one SCRAM exchange, RFC 5802 §5, with the best mechanism that both sides have. */
export class ScramClient {
  readonly mechanism: Mechanism;
  readonly #login: ScramLogin;
  readonly #hash: ScramHash;
  readonly #header: string;
  readonly #binding: Buffer;
  readonly #nonce: string;
  #signature: Buffer | undefined;

  /** Throws Fault `authentication-failed` where there is no mechanism in common. */
  constructor(login: ScramLogin) {
    this.#login = login;
    const type = [...login.bindings.keys()].find((name) => login.announced?.includes(name) ?? true);
    const able = mechanisms.filter((name) => type !== undefined || !name.endsWith('-PLUS'));
    const mechanism = able.find((name) => login.offered.includes(name));
    if (mechanism === undefined) throw failed('The server offers no mechanism that we have.');
    this.mechanism = mechanism;
    this.#hash = mechanism.startsWith('SCRAM-SHA-256') ? 'SHA-256' : 'SHA-1';
    this.#header = gs2Header(mechanism, type, login.offered);
    const data = mechanism.endsWith('-PLUS') && type ? login.bindings.get(type) : undefined;
    this.#binding = Buffer.concat([Buffer.from(this.#header), data ?? Buffer.alloc(0)]);
    this.#nonce = login.nonce ?? randomBytes(18).toString('base64');
  }

  get #firstBare(): string {
    return `n=${escapeName(this.#login.username)},r=${this.#nonce}`;
  }

  /** The first message. */
  first(): string {
    return this.#header + this.#firstBare;
  }

  /** The final message, in answer to the server's challenge. Rejects with Fault `authentication-failed` where that is not sound. */
  async final(challenge: string): Promise<string> {
    const attributes = readAttributes(challenge);
    const nonce = attributes?.get('r') ?? '';
    const salt = readBase64(attributes?.get('s') ?? '');
    const iterations = Number(attributes?.get('i'));
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || !salt?.length || attributes?.has('m')) {
      throw failed('The challenge is no answer to our first message.');
    }
    if (!(iterations >= ROUNDS.least && iterations <= ROUNDS.most)) throw failed(`${iterations} rounds are not sound.`);
    const salted = await saltPassword(this.#hash, preparePassword(this.#login.password), salt, iterations);
    const withoutProof = `c=${this.#binding.toString('base64')},r=${nonce}`;
    const authMessage = `${this.#firstBare},${challenge},${withoutProof}`;
    this.#signature = serverSignature(this.#hash, salted, authMessage);
    return `${withoutProof},p=${clientProof(this.#hash, salted, authMessage).toString('base64')}`;
  }

  /** Checks that the server knows the password too. Throws Fault `authentication-failed` where it does not. */
  verify(success: string): void {
    const signature = readBase64(readAttributes(success)?.get('v') ?? '');
    const expected = this.#signature;
    if (!signature || !expected || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw failed('The server did not show that it knows the password.');
    }
  }
}

/** RFC 5802 §6: `y` tells a server that offered -PLUS that somebody hid it from us. */
function gs2Header(mechanism: Mechanism, type: BindingType | undefined, offered: readonly string[]): string {
  if (mechanism.endsWith('-PLUS')) return `p=${type},,`;
  const serverBinds = offered.some((name) => name.endsWith('-PLUS'));
  return type !== undefined && !serverBinds ? 'y,,' : 'n,,';
}

function failed(message: string): Fault {
  return new Fault('authentication-failed', message);
}
