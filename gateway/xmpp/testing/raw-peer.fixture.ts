import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { Watch } from './watch.fixture.ts';

/** The far end of a connection, in clear, that says exactly what the test tells it. */
export class RawPeer {
  readonly socket: Socket;
  /** Everything that came. */
  text = '';
  ended = false;
  readonly #watch = new Watch();
  #read = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    const decoder = new StringDecoder('utf8');
    socket.on('data', (chunk: Buffer) => {
      this.text += decoder.write(chunk);
      this.#watch.changed();
    });
    const end = (): void => {
      this.ended = true;
      this.#watch.changed();
    };
    socket.on('error', () => {}); // `close` follows
    socket.on('end', end);
    socket.on('close', end);
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Everything unread up to and including the first match. Rejects where the connection ends before. */
  read(pattern: RegExp): Promise<string> {
    const failure = new Error(`${pattern} did not come`);
    return this.#watch.until(() => {
      const rest = this.text.slice(this.#read);
      const match = pattern.exec(rest);
      if (match) {
        const end = match.index + match[0].length;
        this.#read += end;
        return rest.slice(0, end);
      }
      if (!this.ended) return undefined;
      failure.message += `; unread: ${rest}`;
      throw failure;
    });
  }

  /** Waits until the connection is over. */
  over(): Promise<true> {
    return this.#watch.until(() => this.ended);
  }

  /** Cuts the connection, as a crash would. */
  cut(): void {
    this.socket.resetAndDestroy();
  }
}

/** Accepts connections for a test to speak on. */
export class RawServer {
  readonly port: number;
  readonly #server: Server;
  readonly #watch = new Watch();
  readonly #peers: RawPeer[] = [];
  #taken = 0;

  static async start(host = '127.0.0.1', port = 0): Promise<RawServer> {
    const server = createServer({ noDelay: true });
    server.listen({ host, port });
    await once(server, 'listening');
    return new RawServer(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.#peers.push(new RawPeer(socket));
      this.#watch.changed();
    });
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#peers.length;
  }

  /** The next connection, in the order they came. */
  async next(): Promise<RawPeer> {
    const peer = await this.#watch.until(() => this.#peers[this.#taken]);
    this.#taken++;
    return peer;
  }

  async close(): Promise<void> {
    for (const { socket } of this.#peers) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Two ends of one connection: a socket, and a peer to drive the other end. */
export async function connected(): Promise<{ near: Socket; far: RawPeer }> {
  const server = await RawServer.start();
  const near = connect({ host: '127.0.0.1', port: server.port });
  const [far] = await Promise.all([server.next(), once(near, 'connect')]);
  // Accepts nothing more; the connection stands on.
  near.once('close', () => void server.close());
  return { near, far };
}
