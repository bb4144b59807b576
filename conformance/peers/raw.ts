import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { type ConnectionOptions, connect as connectTls, TLSSocket, type TLSSocketOptions } from 'node:tls';

/** Characters kept of what the other side sent and nobody read; more is a bug of the test. */
const longestUnread = 4 * 1024 * 1024;
const defaultTimeoutMs = 10_000;

/** Certificate, key, CA, ALPN and server name as `node:tls` takes them; the other side's certificate is not verified unless asked for. */
export type TlsOptions = Omit<ConnectionOptions, 'socket' | 'host' | 'port'>;

export interface RawOptions {
  readonly address: string;
  readonly port: number;
  /** The loopback address to come from; the kernel chooses one when left out. */
  readonly localAddress?: string | undefined;
  /** Given: TLS from the first byte (XEP-0368). */
  readonly tls?: TlsOptions | undefined;
}

interface Reader {
  readonly pattern: RegExp;
  readonly settle: (outcome: { text: string } | { error: string }) => void;
}

/** A socket that says exactly what it is told, for tests that misbehave. */
export class RawStream {
  /** Resolves when the other side has ended or reset the connection, or `close` was called. */
  readonly closed: Promise<void>;
  readonly #markClosed: () => void;
  readonly #bottom: Socket;
  #socket: Socket | TLSSocket;
  #unread = '';
  #reader: Reader | undefined;
  #over = false;
  #look: ((text: string) => void) | undefined;

  static async connect({ address, port, localAddress, tls }: RawOptions): Promise<RawStream> {
    const socket = connectTcp({ host: address, port, noDelay: true, ...(localAddress ? { localAddress } : {}) });
    await once(socket, 'connect');
    const stream = new RawStream(socket);
    if (tls !== undefined) await stream.startTls(tls);
    return stream;
  }

  /** A connection that was accepted. */
  static over(socket: Socket): RawStream {
    return new RawStream(socket);
  }

  private constructor(socket: Socket) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#markClosed = resolve;
    this.#bottom = socket;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** What came and was not read yet. */
  get unread(): string {
    return this.#unread;
  }

  /** The TLS socket after the handshake, for its certificate, protocol or ALPN. */
  get tls(): TLSSocket | undefined {
    return this.#socket instanceof TLSSocket ? this.#socket : undefined;
  }

  /** Writes; resolves when the kernel has taken it. Rejects when the connection is gone. */
  write(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Takes everything up to and including the first match. Rejects, with what is there, when the time is over or the connection ends before. */
  read(pattern: RegExp, { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {}): Promise<string> {
    if (this.#reader) throw new Error('one read at a time');
    const failure = new Error(); // made here, so that its stack names the test
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#reader?.settle({ error: `within ${timeoutMs} ms` }), timeoutMs);
      this.#reader = {
        pattern,
        settle: (outcome) => {
          clearTimeout(timer);
          this.#reader = undefined;
          if ('text' in outcome) return resolve(outcome.text);
          failure.message = `${pattern} was not received ${outcome.error}; unread: ${this.#unread || '(nothing)'}`;
          reject(failure);
        },
      };
      this.#serve();
    });
  }

  /** TLS from here on: after `<proceed/>`, or whenever the test wants it. Rejects when the handshake fails. */
  async startTls(options: TlsOptions = {}): Promise<void> {
    const below = this.#socket;
    below.removeAllListeners('data');
    const socket = connectTls({ rejectUnauthorized: false, ...options, socket: below });
    await once(socket, 'secureConnect');
    this.#socket = socket;
    this.#listen(socket);
  }

  /** TLS as its server, after `<proceed/>` of ours. Rejects when the handshake fails. */
  async acceptTls(options: TLSSocketOptions): Promise<void> {
    this.#socket.removeAllListeners('data');
    const socket = new TLSSocket(this.#socket, {
      requestCert: true,
      rejectUnauthorized: false,
      ...options,
      isServer: true,
    });
    await once(socket, 'secure');
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Reads on, and keeps nothing of it: every piece is shown once. For answers nobody waits for. */
  discard(look: (text: string) => void = () => {}): void {
    this.#look = look;
    look(this.#unread);
    this.#unread = '';
  }

  /** Stops reading, so that the other side's writes fill up and stall. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends our direction only. */
  end(): void {
    this.#socket.end();
  }

  /** Breaks the connection off, as a machine that crashed does. */
  reset(): void {
    this.#bottom.resetAndDestroy();
  }

  /** Drops the connection. Idempotent. */
  async close(): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  #listen(socket: Socket): void {
    const decoder = new StringDecoder('utf8');
    socket.on('data', (chunk: Buffer) => {
      const text = decoder.write(chunk);
      if (this.#look) return this.#look(text);
      this.#unread += text;
      if (this.#unread.length > longestUnread) socket.destroy(new Error('too much unread'));
      this.#serve();
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  #serve(): void {
    const match = this.#reader?.pattern.exec(this.#unread);
    if (match) {
      const end = match.index + match[0].length;
      const text = this.#unread.slice(0, end);
      this.#unread = this.#unread.slice(end);
      this.#reader?.settle({ text });
    } else if (this.#over) {
      this.#reader?.settle({ error: 'before the connection ended' });
    }
  }

  #end(): void {
    this.#over = true;
    this.#serve();
    this.#markClosed();
  }
}

/** The opening of a server-to-server stream (RFC 6120 §4.7), with dialback's prefix (XEP-0220 §2.1). */
export function streamHeader({ from, to }: { readonly from?: string; readonly to?: string }): string {
  const addresses = `${from === undefined ? '' : ` from='${from}'`}${to === undefined ? '' : ` to='${to}'`}`;
  return (
    `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' ` +
    `xmlns:db='jabber:server:dialback'${addresses} version='1.0'>`
  );
}
