import { Fault } from '../../../policies/fault.ts';
import { ns } from '../../xmpp/namespaces.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import { textOf } from '../../xmpp/start-tag-bytes.ts';
import { StreamFault } from '../../xmpp/stream-error.ts';
import { type Accounts, accountName } from './accounts.ts';
import type { ChannelBindings } from './channel-binding.ts';
import { clientNs } from './client-namespaces.ts';
import type { LockOut } from './lock-out.ts';
import { offeredMechanisms, type SaslCondition, ScramExchange } from './sasl-scram.ts';
import { type Mechanism, readBase64 } from './scram-message.ts';

/** Who has signed in. */
export interface SignedIn {
  readonly local: string;
  readonly domain: string;
  /** When the password that was used was set: a later one ends the session. */
  readonly changed: number;
}

export interface ClientSaslOptions {
  readonly accounts: Accounts;
  readonly lockOut: LockOut;
  /** The domain that the stream was opened to. */
  readonly domain: string;
  readonly address: string;
  readonly bindings: ChannelBindings;
  now(): number;
  send(xml: string): void;
  succeeded(user: SignedIn): void;
  /** One more attempt has failed; `account` is a bare address, '' where none was named. */
  failed(fault: Fault, account: string): void;
}

/** RFC 6120 §6.4.5 allows two to five tries. */
const TRIES = 3;

/** SASL on one client's stream (RFC 6120 §6): SCRAM and nothing weaker. */
export class ClientSasl {
  readonly #options: ClientSaslOptions;
  #exchange: ScramExchange | undefined;
  #account: { local: string; domain: string } | undefined;
  #changed: number | undefined;
  #failures = 0;

  constructor(options: ClientSaslOptions) {
    this.#options = options;
  }

  /** The stream feature, with the channel bindings announced (XEP-0440). */
  get offer(): string {
    const { bindings } = this.#options;
    const names = offeredMechanisms(bindings).map((name) => `<mechanism>${name}</mechanism>`);
    const types = [...bindings.keys()].map((type) => `<channel-binding type='${type}'/>`);
    const announced =
      types.length === 0
        ? ''
        : `<sasl-channel-binding xmlns='${clientNs.channelBinding}'>${types.join('')}</sasl-channel-binding>`;
    return `<mechanisms xmlns='${ns.sasl}'>${names.join('')}</mechanisms>${announced}`;
  }

  /** Takes one element of the SASL namespace. Throws {@link StreamFault} where the client has failed too often. */
  element({ name, bytes }: ScannedElement): void {
    if (name === 'auth') this.#begin(bytes);
    else if (name === 'response' && this.#exchange) this.#take(readContent(bytes), this.#exchange);
    else this.#fail(name === 'abort' ? 'aborted' : 'malformed-request', 'The client broke off.');
  }

  #begin(bytes: Buffer): void {
    const { bindings } = this.#options;
    const wanted = /\smechanism\s*=\s*['"]([^'"]*)['"]/.exec(bytes.toString())?.[1] ?? '';
    const mechanism = offeredMechanisms(bindings).find((name) => name === wanted);
    if (mechanism === undefined) {
      this.#fail('invalid-mechanism', `The mechanism "${wanted}" is not offered.`);
      return;
    }
    const exchange = this.#newExchange(mechanism);
    this.#exchange = exchange;
    const content = readContent(bytes);
    // RFC 6120 §6.4.2: without an initial response the client waits to be asked.
    if (content === '') this.#options.send(`<challenge xmlns='${ns.sasl}'/>`);
    else this.#take(content, exchange);
  }

  #newExchange(mechanism: Mechanism): ScramExchange {
    const { accounts, bindings, domain } = this.#options;
    this.#account = undefined;
    this.#changed = undefined;
    return new ScramExchange({
      mechanism,
      bindings,
      verifierOf: (username, hash) => {
        this.#account = accountName(username, domain);
        if (this.#account === undefined) return undefined;
        const { changed, verifiers } = accounts.credentials(this.#account.local, domain);
        this.#changed = changed;
        return verifiers[hash];
      },
      mayActAs: (username, authzid) => {
        const own = accountName(username, domain);
        const [local = '', ...rest] = authzid.split('@');
        const wanted = accountName(local, rest.join('@'));
        return own !== undefined && own.local === wanted?.local && own.domain === wanted.domain;
      },
    });
  }

  #take(content: string | undefined, exchange: ScramExchange): void {
    const { lockOut, address, now, send } = this.#options;
    if (content === undefined) {
      this.#fail('incorrect-encoding', 'The content is no base64.');
      return;
    }
    const result = exchange.take(content);
    // Also behind the proof: many connections may have come this far at once. And where it fails, it tells nothing.
    if (this.#account !== undefined && lockOut.locked(this.#bare, address, now())) {
      this.#fail('temporary-auth-failure', 'Locked out after failures.');
    } else if (result.step === 'failure') this.#fail(result.condition, result.detail);
    else if (result.step === 'challenge') {
      send(`<challenge xmlns='${ns.sasl}'>${Buffer.from(result.data).toString('base64')}</challenge>`);
    } else if (this.#account === undefined || this.#changed === undefined) {
      this.#fail('not-authorized', 'There is no such user.');
    } else {
      this.#exchange = undefined;
      lockOut.succeeded(this.#bare, address);
      send(`<success xmlns='${ns.sasl}'>${Buffer.from(result.data).toString('base64')}</success>`);
      this.#options.succeeded({ ...this.#account, changed: this.#changed });
    }
  }

  get #bare(): string {
    return this.#account === undefined ? '' : `${this.#account.local}@${this.#account.domain}`;
  }

  /** RFC 6120 §6.5; a client that keeps failing is sent away (§6.4.5). */
  #fail(condition: SaslCondition, detail: string): void {
    const { lockOut, address, now, send, failed } = this.#options;
    const account = this.#bare;
    const locked = condition === 'temporary-auth-failure';
    if (condition === 'not-authorized') lockOut.failed(account, address, now());
    this.#exchange = undefined;
    send(`<failure xmlns='${ns.sasl}'><${condition}/></failure>`);
    failed(new Fault(locked ? 'account-locked' : 'authentication-failed', detail), account);
    if (++this.#failures >= TRIES) throw new StreamFault('policy-violation', 'authentication-failed');
  }
}

/** The decoded content of `<auth/>` or `<response/>`, undefined where it is no base64 (RFC 6120 §6.4.2). */
function readContent(bytes: Buffer): string | undefined {
  const encoded = textOf(bytes).trim();
  if (encoded === '' || encoded === '=') return '';
  return readBase64(encoded)?.toString();
}
