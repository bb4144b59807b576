import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Client, client, type Element, type IqContext, xml } from '@xmpp/client';
import { Inbox, type NextOptions } from './inbox.ts';

export type { Element } from '@xmpp/client';

export interface ClientOptions {
  /** `xmpp://127.0.x.y:port` of a server that takes clients without TLS. */
  readonly service: string;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
  /** Chosen by the server when left out. */
  readonly resource?: string | undefined;
  /** false: no initial presence is sent, so the user stays offline for others. */
  readonly available?: boolean | undefined;
}

const rosterNs = 'jabber:iq:roster';
/** For each step of the stream's negotiation; a server that has just started on a busy machine is slow. */
const stepTimeoutMs = 20_000;
/** How long the server may take to answer the end of the stream. */
const farewellMs = 2_000;

/** A real user's client: `@xmpp/client` with inboxes to wait on. */
export class TestClient {
  readonly messages = new Inbox<Element>('messages', String);
  readonly presences = new Inbox<Element>('presences', String);
  /** Requests that came in and answers nobody waits for with {@link request}. */
  readonly iqs = new Inbox<Element>('iqs', String);
  /** Resolves when the stream is over, whoever ended it. */
  readonly disconnected: Promise<void>;
  readonly #client: Client;
  readonly #answers = new Map<string, (answer: Element) => void>();
  #requests = 0;
  #closed = false;

  /** Resolves when the user is online, knows the roster and, unless `available` is false, the server has taken the initial presence. */
  static async connect(options: ClientOptions): Promise<TestClient> {
    const user = new TestClient(options);
    try {
      await user.#client.start();
      await user.request(xml('iq', { type: 'get' }, xml('query', { xmlns: rosterNs }))); // RFC 6121 §2.2: from now on subscriptions are told
      if (options.available ?? true) await user.becomeAvailable();
    } catch (cause) {
      await user.close();
      throw new Error(`${options.username}@${options.domain} could not go online at ${options.service}`, { cause });
    }
    return user;
  }

  private constructor({ service, domain, username, password, resource }: ClientOptions) {
    this.#client = client({
      service,
      domain,
      // SCRAM as xmpp.js does it costs half a second of CPU time.
      credentials: (authenticate) => authenticate({ username, password }, 'PLAIN'),
      timeout: stepTimeoutMs,
      ...(resource === undefined ? {} : { resource }),
    });
    this.#client.reconnect.stop();
    this.#client.on('connecting', () => {
      this.#client.Socket = PlainSocket;
    });
    // xmpp.js counts what arrives while it enables stream management, and acknowledges more than was sent: Prosody with mod_smacks then ends the stream.
    this.#client.prependListener('element', (element: Element) => {
      if (element.name === 'stream:features') element.remove('sm', 'urn:xmpp:sm:3');
    });
    this.#client.iqCallee.set(rosterNs, 'query', () => true);
    this.#client.on('error', () => {}); // start() rejects with it, or `disconnected` tells
    this.#client.on('stanza', (stanza: Element) => this.#sort(stanza));
    this.disconnected = new Promise((resolve) => this.#client.on('disconnect', () => resolve()));
  }

  /** The full address, such as `alice@a.example/2k9f`. */
  get jid(): string {
    return String(this.#client.jid);
  }

  get bareJid(): string {
    return String(this.#client.jid?.bare());
  }

  /** Sends presence and waits until the server reflects it. */
  async becomeAvailable(...children: Element[]): Promise<void> {
    await this.send(xml('presence', {}, ...children));
    await this.presences.next(({ attrs }) => attrs.from === this.jid && attrs.type === undefined);
  }

  async send(stanza: Element): Promise<void> {
    await this.#client.send(stanza);
  }

  /** Sends all of them in one write. */
  async sendAll(stanzas: readonly Element[]): Promise<void> {
    await this.#client.sendMany(stanzas);
  }

  /** Sends a chat message. */
  async say(to: string, body: string, id?: string): Promise<void> {
    await this.send(xml('message', { to, type: 'chat', id }, xml('body', {}, body)));
  }

  /** Sends an iq and resolves with the answer, be it a result or an error. The id is set when there is none. */
  async request(iq: Element, { timeoutMs = 10_000 }: NextOptions = {}): Promise<Element> {
    this.#requests += 1;
    const id = iq.attrs.id ?? `request-${this.#requests}`;
    iq.attrs.id = id;
    const { promise, resolve, reject } = Promise.withResolvers<Element>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms to ${iq}`)), timeoutMs);
    this.#answers.set(id, resolve);
    try {
      await this.send(iq);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#answers.delete(id);
    }
  }

  /** Answers iq gets for one element; anything else is answered with `service-unavailable`, `urn:xmpp:ping` with a result. */
  answer(xmlns: string, name: string, handler: (context: IqContext) => Element | boolean): void {
    this.#client.iqCallee.get(xmlns, name, handler);
  }

  /** Goes offline in an orderly way. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (['disconnect', 'offline'].includes(this.#client.status)) return;
    const insist = setTimeout(() => this.#client.socket?.destroy?.(), farewellMs);
    await this.#client.stop().catch(() => {}); // the server may be gone already
    clearTimeout(insist);
  }

  #sort(stanza: Element): void {
    if (stanza.name === 'message') this.messages.add(stanza);
    else if (stanza.name === 'presence') this.presences.add(stanza);
    else if (stanza.attrs.type === 'get' || stanza.attrs.type === 'set') this.iqs.add(stanza);
    else (this.#answers.get(stanza.attrs.id ?? '') ?? ((answer) => this.iqs.add(answer)))(stanza);
  }
}

/**
 * Carries the stream in place of the socket of xmpp.js, for two reasons: that one corrupts a UTF-8 character split across two reads, and would be
 * upgraded by STARTTLS, which on loopback only costs.
 */
class PlainSocket extends EventEmitter {
  readonly secure = false;
  #socket: Socket | undefined;

  connect({ host, port }: { host: string; port: number }): void {
    const socket = connect(port, host).setEncoding('utf8').setNoDelay();
    this.#socket = socket;
    for (const event of ['connect', 'data', 'close', 'error']) socket.on(event, (detail) => this.emit(event, detail));
  }

  write(data: string, done: (error?: Error | null) => void): void {
    this.#socket?.write(data, done);
  }

  end(): void {
    this.#socket?.end();
  }

  destroy(): void {
    this.#socket?.destroy();
  }
}
