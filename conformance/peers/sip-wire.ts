import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { Inbox, type NextOptions } from './inbox.ts';
import type { TlsOptions } from './raw.ts';
import { headerValue, headerValues, methodOf, SipReader, statusOf, type WireMessage } from './sip-reader.ts';

export interface SipWireOptions {
  readonly address: string;
  readonly port: number;
  /** The loopback address to come from; the kernel chooses one when left out. */
  readonly localAddress?: string | undefined;
  /** TCP when left out. The other side's certificate is not verified unless asked for. */
  readonly tls?: TlsOptions | undefined;
}

/** One connection that says exactly what it is told, in SIP or not, and reads what comes. */
export class SipWire {
  /** Everything that came: requests and responses. */
  readonly messages = new Inbox<WireMessage>('SIP messages', ({ start }) => start);
  /** Resolves when the other side has ended or reset the connection, or `close` was called. */
  readonly closed: Promise<void>;
  readonly socket: Socket | TLSSocket;
  readonly #reader = new SipReader((message) => this.messages.add(message));

  static async connect({ address, port, localAddress, tls }: SipWireOptions): Promise<SipWire> {
    const socket = connectTcp({ host: address, port, noDelay: true, ...(localAddress ? { localAddress } : {}) });
    await once(socket, 'connect');
    if (tls === undefined) return new SipWire(socket);
    const secured = connectTls({ rejectUnauthorized: false, ...tls, socket });
    await once(secured, 'secureConnect');
    return new SipWire(secured);
  }

  /** Over a connection that stands. */
  constructor(socket: Socket | TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('end', () => resolve());
      socket.once('close', () => resolve());
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#reader.push(chunk);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
  }

  /** The TLS socket, for its certificate or protocol. */
  get tls(): TLSSocket | undefined {
    return this.socket instanceof TLSSocket ? this.socket : undefined;
  }

  /** `host:port` of our end, as a Via or a Contact has it. */
  get local(): string {
    return `${this.socket.localAddress}:${this.socket.localPort}`;
  }

  get transport(): 'TLS' | 'TCP' {
    return this.tls === undefined ? 'TCP' : 'TLS';
  }

  /** Empty lines received between messages (RFC 5626 §4.4.1). */
  get emptyLines(): number {
    return this.#reader.emptyLines;
  }

  /** Any bytes; resolves when the kernel has taken them. Rejects when the connection is gone. */
  write(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Sends a request and resolves with its final response, found by its Via branch. */
  async exchange(request: WireRequest, options?: NextOptions): Promise<WireMessage> {
    const { bytes, branch } = this.#compose(request);
    await this.write(bytes);
    return await this.messages.next(
      (message) => statusOf(message) >= 200 && headerValue(message, 'via').includes(branch),
      options,
    );
  }

  /** Sends a request; resolves with its branch and Call-ID when the kernel has taken it. */
  async send(request: WireRequest): Promise<{ readonly branch: string; readonly callId: string }> {
    const { bytes, branch, callId } = this.#compose(request);
    await this.write(bytes);
    return { branch, callId };
  }

  /** Answers a request as RFC 3261 §8.2.6 has it, with a tag on To. */
  respond(request: WireMessage, status: number, reason = 'Told So', more: Partial<WireParts> = {}): Promise<void> {
    const to = headerValue(request, 'to');
    const copied = (name: string) => headerValues(request, name).map((value) => [name, value] as const);
    return this.write(
      sipBytes({
        start: `SIP/2.0 ${status} ${reason}`,
        headers: [
          ...copied('Via'),
          ...copied('Record-Route'),
          ...copied('From'),
          ['To', /;\s*tag=/i.test(to) || status === 100 ? to : `${to};tag=${token()}`],
          ...copied('Call-ID'),
          ...copied('CSeq'),
          ...(more.headers ?? []),
        ],
        body: more.body,
      }),
    );
  }

  /** The next request, of this method where one is given. */
  request(method?: string, options?: NextOptions): Promise<WireMessage> {
    return this.messages.next((message) => {
      const actual = methodOf(message);
      return actual !== '' && (method === undefined || actual === method);
    }, options);
  }

  /** Stops reading, so that the other side's writes fill up and stall. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Breaks the connection off, as a machine that crashed does. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Drops the connection. Idempotent. */
  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #compose(request: WireRequest): { bytes: Buffer; branch: string; callId: string } {
    const { method, target, from, to = target, callId = `${token()}@wire`, cseq = 1, headers = [] } = request;
    const { branch = `z9hG4bK${token()}`, fromTag = token(), maxForwards = 70 } = request;
    const bytes = sipBytes({
      start: `${method} ${target} SIP/2.0`,
      headers: [
        ['Via', `SIP/2.0/${this.transport} ${this.local};branch=${branch}`],
        ['Max-Forwards', String(maxForwards)],
        ['From', `<${from}>;tag=${fromTag}`],
        ['To', to.startsWith('<') ? to : `<${to}>`],
        ['Call-ID', callId],
        ['CSeq', `${cseq} ${method}`],
        ...headers,
      ],
      body: request.body,
    });
    return { bytes, branch, callId };
  }
}

/** A well-formed request unless its parts are not; what is left out is made up. */
export interface WireRequest {
  readonly method: string;
  /** The Request-URI, and To where that is left out. */
  readonly target: string;
  /** A URI. */
  readonly from: string;
  /** A URI, or a whole value where it starts with `<`. */
  readonly to?: string | undefined;
  readonly callId?: string | undefined;
  readonly cseq?: number | undefined;
  readonly branch?: string | undefined;
  readonly fromTag?: string | undefined;
  readonly maxForwards?: number | undefined;
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined;
  readonly body?: string | Uint8Array | undefined;
}

export interface WireParts {
  readonly start: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array | undefined;
}

/** A message as bytes, nothing checked; Content-Length is added unless it is among the headers. */
export function sipBytes({ start, headers, body = '' }: WireParts): Buffer {
  const content = Buffer.from(body);
  const measured = headers.some(([name]) => /^(content-length|l)$/i.test(name));
  const fields = measured ? headers : [...headers, ['Content-Length', String(content.length)]];
  return Buffer.concat([
    Buffer.from(`${[start, ...fields.map((field) => field.join(': '))].join('\r\n')}\r\n\r\n`),
    content,
  ]);
}

/** A tag, a branch's tail or a Call-ID that nobody else has. */
export function token(): string {
  return randomBytes(16).toString('hex');
}

/** Takes connections over TCP, or over TLS where it is given a certificate, and hands each to the test. */
export class SipWireServer {
  readonly address: string;
  readonly #server: Server;
  readonly #wires = new Inbox<SipWire>('connections', ({ local }) => local);
  readonly #sockets = new Set<Socket>();
  #accepted = 0;

  /** `tls` as `node:tls` takes it; the client's certificate is asked for and never refused. */
  static async start(address: string, tls?: TLSSocketOptions & { cert: string; key: string }): Promise<SipWireServer> {
    const server = createServer({ noDelay: true });
    server.listen(0, address);
    await once(server, 'listening');
    return new SipWireServer(server, address, tls);
  }

  private constructor(server: Server, address: string, tls: TLSSocketOptions | undefined) {
    this.address = address;
    this.#server = server;
    const secureContext = tls && createSecureContext(tls);
    server.on('connection', (socket) => {
      this.#accepted += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {}); // a test that ends drops its connections
      if (tls === undefined) return this.#wires.add(new SipWire(socket));
      const secured = new TLSSocket(socket, {
        requestCert: true,
        rejectUnauthorized: false,
        ...tls,
        ...(secureContext && { secureContext }),
        isServer: true,
      });
      secured.on('error', () => {}); // the test that waits for it fails by its own time limit
      secured.once('secure', () => this.#wires.add(new SipWire(secured)));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections taken so far, before any TLS. */
  get accepted(): number {
    return this.#accepted;
  }

  /** The next connection, with TLS laid. */
  next(options?: NextOptions): Promise<SipWire> {
    return this.#wires.next(undefined, options);
  }

  /** Hears of each connection, whether somebody waits for it or not. */
  each(listener: (wire: SipWire) => void): void {
    this.#wires.consume(listener);
  }

  /** Drops every connection and takes no more. Idempotent. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}
