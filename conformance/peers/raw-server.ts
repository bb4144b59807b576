import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { KeyPair } from './authority.ts';
import { Inbox } from './inbox.ts';
import { RawStream } from './raw.ts';

export interface RawServerOptions {
  readonly address: string;
  readonly certificate: KeyPair;
  /** Further options of the handshake, such as `maxVersion`. */
  readonly tls?: SecureContextOptions | undefined;
  /** Written as the children of the features behind TLS; nothing when left out. */
  readonly features?: string | undefined;
}

const tlsNs = 'urn:ietf:params:xml:ns:xmpp-tls';
const saslNs = 'urn:ietf:params:xml:ns:xmpp-sasl';

export const external = `<mechanisms xmlns='${saslNs}'><mechanism>EXTERNAL</mechanism></mechanisms>`;
/** Stream management; {@link ServedStream.declineAcks} then spares the test every acknowledgement. */
export const acks = "<sm xmlns='urn:xmpp:sm:3'/>";
/** Dialback with errors, which invites further pairs onto the stream (XEP-0220 §2.7). */
export const dialbackErrors = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";

/** A partner's server that other servers connect to, and that answers by hand from TLS on. */
export class RawServer {
  readonly #server: Server;
  readonly #options: RawServerOptions;
  readonly #streams = new Inbox<ServedStream>('streams', ({ header }) => header);
  readonly #sockets = new Set<Socket>();
  #accepted = 0;

  static async start(options: RawServerOptions): Promise<RawServer> {
    const server = createServer();
    server.listen(0, options.address);
    await once(server, 'listening');
    return new RawServer(server, options);
  }

  private constructor(server: Server, options: RawServerOptions) {
    this.#server = server;
    this.#options = options;
    const { certificatePem, keyPem } = options.certificate;
    // One for all connections: sessions are resumed within a context.
    const context = createSecureContext({ cert: certificatePem, key: keyPem, sessionIdContext: 'raw', ...options.tls });
    server.on('connection', (socket) => {
      this.#accepted += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {}); // a test that ends drops its streams
      ServedStream.accept(socket, context, options.features).then(
        (stream) => this.#streams.add(stream),
        () => socket.destroy(), // the test that waits for it fails by its own time limit
      );
    });
  }

  /** Where it is to be found. */
  get target(): { readonly host: string; readonly port: number } {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server does not listen');
    return { host: this.#options.address, port: address.port };
  }

  /** Connections taken so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections that stand. */
  get open(): number {
    return this.#sockets.size;
  }

  /** The next stream, with TLS laid and our features sent. */
  next(): Promise<ServedStream> {
    return this.#streams.next();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}

let ids = 0;

/** One stream that a {@link RawServer} took. */
export class ServedStream {
  readonly stream: RawStream;
  /** The last header of the peer. */
  header = '';
  /** The id we gave the stream. */
  id = '';

  static async accept(socket: Socket, context: SecureContext, features = ''): Promise<ServedStream> {
    const served = new ServedStream(RawStream.over(socket));
    await served.open(`<starttls xmlns='${tlsNs}'><required/></starttls>`);
    await served.stream.read(/<starttls[^>]*>/);
    await served.stream.write(`<proceed xmlns='${tlsNs}'/>`);
    await served.stream.acceptTls({ secureContext: context });
    await served.open(features);
    return served;
  }

  private constructor(stream: RawStream) {
    this.stream = stream;
  }

  /** Takes a header and answers it with ours and these features. */
  async open(features: string): Promise<void> {
    this.header = await this.stream.read(/<stream:stream[^>]*>/);
    ids += 1;
    this.id = `raw-${ids}`;
    const attribute = (name: string) => new RegExp(`\\s${name}='([^']*)'`).exec(this.header)?.[1] ?? '';
    await this.stream.write(
      `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' ` +
        `xmlns:db='jabber:server:dialback' from='${attribute('to')}' to='${attribute('from')}' id='${this.id}' ` +
        `version='1.0'><stream:features>${features}</stream:features>`,
    );
  }

  /** Accepts EXTERNAL, whatever the certificate, restarts with these features, and declines acknowledgements. */
  async acceptExternal(features = ''): Promise<void> {
    await this.stream.read(/<auth[^>]*>[^<]*<\/auth>/);
    await this.stream.write(`<success xmlns='${saslNs}'/>`);
    await this.open(`${features}${acks}`);
    await this.declineAcks();
  }

  /** Where {@link acks} was offered: the peer takes what it writes for received, and asks for no receipt. */
  async declineAcks(): Promise<void> {
    await this.stream.read(/<enable[^>]*\/>/);
    await this.stream.write("<failed xmlns='urn:xmpp:sm:3'/>");
  }

  /** Takes a question of dialback and resolves with its attributes and the key. */
  async asked(name: 'result' | 'verify'): Promise<{ from: string; to: string; id: string; key: string }> {
    const text = await this.stream.read(new RegExp(`<db:${name}[^>]*>[^<]*</db:${name}>`));
    const attribute = (of: string) => new RegExp(`\\s${of}='([^']*)'`).exec(text)?.[1] ?? '';
    const key = /<db:[^>]*>([^<]*)</.exec(text.slice(text.lastIndexOf(`<db:${name}`)))?.[1] ?? '';
    return { from: attribute('from'), to: attribute('to'), id: attribute('id'), key };
  }
}
