import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { RawStream } from './raw.ts';

/** Takes connections and does with each of them what it is told, until told something else. */
export class RawListener {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #accepted = 0;

  /** `serve` may fail: the other side hung up, which a test of that other side expects. */
  static async start(address: string, serve: (stream: RawStream) => Promise<void>): Promise<RawListener> {
    const server = createServer({ noDelay: true });
    server.listen(0, address);
    await once(server, 'listening');
    return new RawListener(server, address, serve);
  }

  private constructor(server: Server, address: string, serve: (stream: RawStream) => Promise<void>) {
    this.address = address;
    this.#server = server;
    server.on('connection', (socket) => {
      this.#accepted += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      serve(RawStream.over(socket)).catch(() => {});
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server does not listen');
    return address.port;
  }

  /** Connections taken so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Drops every connection and takes no more. Idempotent. */
  async close(): Promise<void> {
    const listening = this.#server.listening;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    if (listening) await once(this.#server, 'close');
  }
}
