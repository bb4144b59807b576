import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import type { OwnCertificates } from '../../xmpp/own-certificates.ts';

export interface WebSocketDoorOptions {
  /** Undefined where it is spoken in clear. */
  readonly certificates: OwnCertificates | undefined;
  /** The domain whose certificate is shown to a client that names none. */
  readonly domain: string;
  /** Largest frame. */
  readonly maxBytes: number;
  /** From accepting a connection to the WebSocket, ms. */
  readonly timeoutMs: number;
  /** Counts a client in; `address` as of {@link opened}. */
  admit(socket: Socket, address: string): Promise<boolean>;
  /** `socket` lies under the WebSocket; `address` is the client's, '' where the proxy in front does not tell. */
  opened(webSocket: WebSocket, socket: Socket, address: string): void;
}

/** RFC 7395 §3.1. */
const SUBPROTOCOL = 'xmpp';

/** Turns accepted connections into WebSockets: TLS where it is to be, HTTP, the upgrade (RFC 6455, RFC 7395). */
export class WebSocketDoor {
  readonly #options: WebSocketDoorOptions;
  readonly #http: Server;
  readonly #upgrades: WebSocketServer;
  /** Connections that are no WebSocket yet. */
  readonly #waiting = new Map<Duplex, NodeJS.Timeout>();

  constructor(options: WebSocketDoorOptions) {
    this.#options = options;
    // It never listens itself: connections come through the gate of all listeners.
    this.#http = createServer((_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end();
    });
    this.#upgrades = new WebSocketServer({
      noServer: true,
      maxPayload: options.maxBytes,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    this.#http.on('upgrade', (request, socket, head) => {
      void this.#upgrade(request, socket, head);
    });
  }

  /** Takes a connection that was just accepted. */
  take(bare: Socket): void {
    const { certificates, domain, timeoutMs } = this.#options;
    const context = certificates?.contextFor(domain);
    if (certificates !== undefined && context === undefined) {
      bare.destroy();
      return;
    }
    const timer = setTimeout(() => bare.destroy(), timeoutMs);
    const socket =
      certificates === undefined || context === undefined
        ? bare
        : new TLSSocket(bare, {
            isServer: true,
            secureContext: context,
            SNICallback: (name, done) => done(null, certificates.contextFor(name) ?? context),
            ALPNProtocols: ['http/1.1'],
          });
    this.#waiting.set(socket, timer);
    bare.on('error', () => socket.destroy());
    socket.on('error', () => bare.destroy());
    bare.on('close', () => this.#waited(socket));
    if (socket instanceof TLSSocket) socket.once('secure', () => this.#http.emit('connection', socket));
    else this.#http.emit('connection', socket);
  }

  /** Drops what is no WebSocket yet. */
  close(): void {
    for (const socket of this.#waiting.keys()) socket.destroy();
    this.#upgrades.close();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const refuse = (status: string): void => {
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    const inClear = this.#options.certificates === undefined;
    const address = inClear ? forwardedFor(request) : (request.socket.remoteAddress ?? '');
    const offered = request.headers['sec-websocket-protocol'] ?? '';
    if (!offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) {
      refuse('400 Bad Request');
      return;
    }
    if (!(await this.#options.admit(request.socket, address))) {
      refuse('429 Too Many Requests');
      return;
    }
    this.#upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      this.#waited(socket);
      this.#options.opened(webSocket, request.socket, address);
    });
  }

  #waited(socket: Duplex): void {
    clearTimeout(this.#waiting.get(socket));
    this.#waiting.delete(socket);
  }
}

/** In clear it is a proxy on this machine that connects, and whom it stands for is the last that it writes. */
function forwardedFor({ headers }: IncomingMessage): string {
  const last = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .at(-1)
    ?.trim();
  return last !== undefined && isIP(last) !== 0 ? last : '';
}
