import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Element } from '@xmpp/client';
import { ElementReader } from './element-reader.ts';
import { Inbox } from './inbox.ts';
import { Scram } from './scram.ts';

export interface C2sOptions {
  readonly address: string;
  readonly port: number;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
  /** The authority that the server's certificate must come from, PEM. */
  readonly authorityPem: string;
}

const tlsNs = 'urn:ietf:params:xml:ns:xmpp-tls';
const saslNs = 'urn:ietf:params:xml:ns:xmpp-sasl';
/** How long the server may take to answer the end of the stream, ms. */
const farewellMs = 2_000;
const mechanism = 'SCRAM-SHA-256';

/** One connection of a client that demands what it should: STARTTLS with a good certificate, and SCRAM (RFC 6120 §5, §6). */
export class C2sStream {
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  #socket: Socket;
  #reader: ElementReader | undefined;
  readonly #elements = new Inbox<Element>('elements', String);
  #handler: ((element: Element) => void) | undefined;
  #features: Element | undefined;

  /** Signs in; rejects, with the connection closed, when the server is not there or not to be trusted. */
  static async open(options: C2sOptions): Promise<C2sStream> {
    const socket = connectTcp({ host: options.address, port: options.port, noDelay: true });
    await once(socket, 'connect');
    const stream = new C2sStream(socket);
    try {
      await stream.#secure(options);
      await stream.#authenticate(options);
      return stream;
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#listen();
  }

  /** What the server offered last. */
  get features(): Element {
    if (this.#features === undefined) throw new Error('no features yet');
    return this.#features;
  }

  send(text: string): void {
    if (this.#socket.writable) this.#socket.write(text);
  }

  /** The next element; rejects when none comes, also because the connection is gone. */
  async next(): Promise<Element> {
    const element = await Promise.race([this.#elements.next(), this.closed.then(() => undefined)]);
    if (element === undefined) throw new Error('the connection is gone');
    return element;
  }

  /** Hands on what was not taken by {@link next}, and everything to come. */
  listen(handler: (element: Element) => void): void {
    this.#handler = handler;
    for (const element of this.#elements.unread) handler(element);
    this.#elements.clear();
  }

  /** Ends the stream in good order; resolves when the connection is gone. */
  async end(): Promise<void> {
    this.send('</stream:stream>');
    this.#socket.end();
    const insist = setTimeout(() => this.destroy(), farewellMs);
    await this.closed;
    clearTimeout(insist);
  }

  /** As a client that has lost its network. */
  destroy(): void {
    this.#socket.destroy();
  }

  async #open(domain: string): Promise<void> {
    this.#restart();
    this.send(
      `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='${domain}' version='1.0'>`,
    );
    this.#features = await this.next();
    if (this.#features.name !== 'stream:features') throw new Error(`no features: ${this.#features}`);
  }

  async #secure({ domain, authorityPem }: C2sOptions): Promise<void> {
    await this.#open(domain);
    if (!this.features.getChild('starttls', tlsNs)) throw new Error(`no STARTTLS: ${this.features}`);
    this.send(`<starttls xmlns='${tlsNs}'/>`);
    const proceed = await this.next();
    if (!proceed.is('proceed', tlsNs)) throw new Error(`no TLS: ${proceed}`);
    this.#socket.removeAllListeners('data');
    const secured = connectTls({ socket: this.#socket, servername: domain, ca: authorityPem });
    this.#socket = secured;
    secured.on('error', () => {}); // `closed` tells, or `once` does
    await once(secured, 'secureConnect');
    this.#listen();
  }

  async #authenticate({ domain, username, password }: C2sOptions): Promise<void> {
    await this.#open(domain);
    const offered = this.features.getChild('mechanisms', saslNs)?.getChildren('mechanism') ?? [];
    if (!offered.some((one) => one.text() === mechanism)) throw new Error(`no ${mechanism}: ${this.features}`);
    const scram = new Scram(username, password);
    this.send(`<auth xmlns='${saslNs}' mechanism='${mechanism}'>${base64(scram.first())}</auth>`);
    const challenge = await this.next();
    if (!challenge.is('challenge', saslNs)) throw new Error(`refused: ${challenge}`);
    this.send(`<response xmlns='${saslNs}'>${base64(await scram.answer(textOf(challenge)))}</response>`);
    const success = await this.next();
    if (!success.is('success', saslNs)) throw new Error(`refused: ${success}`);
    scram.verify(textOf(success));
    await this.#open(domain);
  }

  #listen(): void {
    // Decodes characters that are split across reads.
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => this.#reader?.write(text));
    this.#socket.on('error', () => {}); // `closed` tells
  }

  /** A new stream on the same connection. */
  #restart(): void {
    this.#reader = new ElementReader({
      header: () => {},
      element: (element) => this.#take(element),
      end: () => this.#socket.end(),
      error: () => this.destroy(),
    });
  }

  #take(element: Element): void {
    if (this.#handler) this.#handler(element);
    else this.#elements.add(element);
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function textOf(element: Element): string {
  return Buffer.from(element.text(), 'base64').toString();
}
