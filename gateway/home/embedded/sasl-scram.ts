import { randomBytes } from 'node:crypto';
import type { BindingType, ChannelBindings } from './channel-binding.ts';
import { type Mechanism, mechanisms, readAttributes, readBase64, unescapeName } from './scram-message.ts';
import { proves, type ScramHash, type ScramVerifier, serverSignature } from './scram-verifier.ts';

/** SASL error conditions, RFC 6120 §6.5. */
export type SaslCondition =
  | 'aborted'
  | 'incorrect-encoding'
  | 'invalid-authzid'
  | 'invalid-mechanism'
  | 'malformed-request'
  | 'not-authorized'
  | 'temporary-auth-failure';

/** What the server says next, decoded; `authenticated` comes with the last `success`. */
export type ScramStep =
  | { readonly step: 'challenge'; readonly data: string }
  | { readonly step: 'success'; readonly data: string }
  | { readonly step: 'failure'; readonly condition: SaslCondition; readonly detail: string };

export interface ScramOptions {
  readonly mechanism: Mechanism;
  /** What the channel offers; empty on one without TLS. */
  readonly bindings: ChannelBindings;
  /** The verifier of a user as written, undefined where that is no user name at all. Unknown users have one too. */
  verifierOf(username: string, hash: ScramHash): ScramVerifier | undefined;
  /** Whether somebody may act under this authorization identity, which is not ''. */
  mayActAs(username: string, authzid: string): boolean;
  /** The server's part of the nonce, printable ASCII without a comma. */
  readonly nonce?: string;
}

/** The mechanisms a channel can offer, best first. */
export function offeredMechanisms(bindings: ChannelBindings): readonly Mechanism[] {
  return bindings.size > 0 ? mechanisms : mechanisms.filter((name) => !name.endsWith('-PLUS'));
}

const PRINTABLE = /^[\x21-\x2b\x2d-\x7e]+$/;

/** The server's side of one SCRAM exchange, RFC 5802 §5 (client first, then client final). */
export class ScramExchange {
  readonly #options: ScramOptions;
  readonly #hash: ScramHash;
  readonly #plus: boolean;
  /** The user name as the client wrote it, '' until it did. */
  username = '';
  #verifier: ScramVerifier | undefined;
  #nonce = '';
  /** What `c=` must be: the gs2 header and the channel's data. */
  #binding = Buffer.alloc(0);
  #firstMessages = '';

  constructor(options: ScramOptions) {
    this.#options = options;
    this.#hash = options.mechanism.startsWith('SCRAM-SHA-256') ? 'SHA-256' : 'SHA-1';
    this.#plus = options.mechanism.endsWith('-PLUS');
  }

  /** Takes the client's next message, decoded. */
  take(message: string): ScramStep {
    return this.#verifier === undefined ? this.#first(message) : this.#final(message, this.#verifier);
  }

  #first(message: string): ScramStep {
    const parts = /^((?:p=([A-Za-z0-9.-]+)|n|y),(?:a=([^,]*))?,)(.*)$/su.exec(message);
    if (parts === null) return failure('malformed-request', 'The first message is no SCRAM.');
    const [, header = '', type, authzid, bare = ''] = parts;
    const refused = this.#bind(header, type);
    if (refused !== undefined) return refused;
    const attributes = readAttributes(bare);
    // `m=` would be an extension that must be understood (RFC 5802 §5.1).
    if (attributes === undefined || !/^n=[^,]*,r=/.test(bare)) {
      return failure('malformed-request', 'The first message is no SCRAM.');
    }
    const username = unescapeName(attributes.get('n') ?? '');
    const clientNonce = attributes.get('r') ?? '';
    if (username === undefined || !PRINTABLE.test(clientNonce)) {
      return failure('malformed-request', 'The name or the nonce cannot be read.');
    }
    this.username = username;
    if (authzid !== undefined && authzid !== '') {
      const identity = unescapeName(authzid);
      if (identity === undefined || !this.#options.mayActAs(username, identity)) {
        return failure('invalid-authzid', 'Nobody acts for somebody else.');
      }
    }
    const verifier = this.#options.verifierOf(username, this.#hash);
    if (verifier === undefined) return failure('not-authorized', 'No user has such a name.');
    this.#verifier = verifier;
    this.#nonce = clientNonce + (this.#options.nonce ?? randomBytes(18).toString('base64'));
    const data = `r=${this.#nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`;
    this.#firstMessages = `${bare},${data}`;
    return { step: 'challenge', data };
  }

  /** The gs2 header, RFC 5802 §6: what it says of channel binding, against what the mechanism is and we offered. */
  #bind(header: string, type: string | undefined): ScramStep | undefined {
    const { bindings } = this.#options;
    if (type === undefined) {
      if (this.#plus)
        return failure('malformed-request', 'The mechanism binds to the channel and the client does not.');
      if (header.startsWith('y') && bindings.size > 0) {
        return failure('not-authorized', 'The client saw no offer of channel binding: somebody took it away.');
      }
      this.#binding = Buffer.from(header);
      return undefined;
    }
    if (!this.#plus) return failure('malformed-request', 'The mechanism does not bind to the channel.');
    const data = bindings.get(type as BindingType);
    if (data === undefined) return failure('not-authorized', `The channel has no binding of the type ${type}.`);
    this.#binding = Buffer.concat([Buffer.from(header), data]);
    return undefined;
  }

  #final(message: string, verifier: ScramVerifier): ScramStep {
    const attributes = readAttributes(message);
    const proofAt = message.lastIndexOf(',p=');
    const proof = readBase64(attributes?.get('p') ?? '');
    if (attributes === undefined || !/^c=[^,]*,r=/.test(message) || proof === undefined || attributes.has('m')) {
      return failure('malformed-request', 'The final message is no SCRAM.');
    }
    if (message.indexOf(',', proofAt + 1) >= 0) return failure('malformed-request', 'The proof is not the last.');
    if (attributes.get('c') !== this.#binding.toString('base64')) {
      return failure('not-authorized', 'The channel of the client is another than ours.');
    }
    const authMessage = `${this.#firstMessages},${message.slice(0, proofAt)}`;
    if (attributes.get('r') !== this.#nonce || !proves(this.#hash, verifier, authMessage, proof)) {
      return failure('not-authorized', 'The password is wrong.');
    }
    return { step: 'success', data: `v=${serverSignature(this.#hash, verifier, authMessage).toString('base64')}` };
  }
}

function failure(condition: SaslCondition, detail: string): ScramStep {
  return { step: 'failure', condition, detail };
}
