import { createServer, connect as dial, type Socket } from 'node:net';
import { Fault } from '../../../policies/fault.ts';
import type { Clock, Timer } from '../transaction/clock.ts';
import {
  type Library,
  type LibraryRequest,
  type LibraryResponse,
  loadLibrary,
  type RequestContent,
  type Srf,
} from './library.ts';

/** What a drachtio server tells of itself: `tls/192.0.2.1:5061` and the like. */
export interface ServerReport {
  readonly addresses: readonly string[];
  readonly version: string;
}

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  /** Asked anew for each connection, and kept nowhere. */
  secret(): Promise<string>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly fraction: () => number;
  readonly connectMs?: number | undefined;
  /** Why this server must not be used; undefined where it may. */
  readonly refuses: (report: ServerReport) => Fault | undefined;
  readonly user: LinkUser;
}

export interface LinkUser {
  /** A request of a peer. Must not throw. */
  arrived(request: LibraryRequest, response: LibraryResponse): void;
  up(report: ServerReport): void;
  down(why: string): void;
}

const CONNECT_MS = 10_000;
/** Between two attempts, ms: doubles up to the most. */
const RETRY_MS = 500;
const MOST_RETRY_MS = 30_000;
/** drachtio-srf asks the server this often whether it lives, ms; a server silent for three times that is dead. */
const PING_MS = 15_000;
/** Transactions of ours that await the server, each with a closure: what a home of thousands has at its busiest. */
const MOST_WAITING = 50_000;
/** The methods that peers may begin with; what belongs to a dialog comes without asking. */
const ROUTES = ['invite', 'options', 'subscribe', 'refer', 'publish', 'notify', 'message'] as const;

/** What becomes of a request that was handed over. */
export interface Handed {
  sent(request: LibraryRequest): void;
  /** The server would not take it. */
  refused(why: string): void;
  /** The server is gone: whether the request went out is open. */
  lost(): void;
}

/**
 * The connection to a drachtio server, over which it is told what to send and tells what came. We dial, and hand
 * drachtio-srf the socket as one that it accepted: then it ends a connection that makes no sense, where as a client it
 * would throw out of the socket's event and end the process; it leaves no timer behind, and each connection has an `Srf`
 * of its own, so that nothing waits for what a lost one owed.
 */
export class DrachtioLink {
  readonly #options: LinkOptions;
  #library: Library | undefined;
  #srf: Srf | undefined;
  #socket: Socket | undefined;
  readonly #waiting = new Set<Handed>();
  #failures = 0;
  #retry: Timer | undefined;
  #limit: Timer | undefined;
  #started: { readonly resolve: () => void; readonly reject: (fault: unknown) => void } | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get up(): boolean {
    return this.#srf !== undefined;
  }

  /** Requests that wait for a final response. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the server has let us in, or after the first failure to reach it: then it is tried again and again.
   * Rejects with Fault `drachtio-unusable` or what `refuses` gave.
   */
  async start(): Promise<void> {
    this.#library ??= await loadLibrary();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#started = { resolve, reject };
    void this.#connect();
    await promise;
  }

  /** Hands a request over; `handed` hears of it later, and is kept until {@link done}. */
  send(content: RequestContent, handed: Handed): void {
    const srf = this.#srf;
    if (srf === undefined || this.#waiting.size >= MOST_WAITING) {
      const why = srf === undefined ? 'no drachtio server' : 'too much under way';
      setImmediate(() => handed.refused(why));
      return;
    }
    this.#waiting.add(handed);
    try {
      srf.app.request(content, (error, request) => {
        if (!this.#waiting.has(handed)) return;
        if (request !== undefined && !error) handed.sent(request);
        else {
          this.#waiting.delete(handed);
          handed.refused(error instanceof Error ? error.message : String(error));
        }
      });
    } catch (error) {
      this.#waiting.delete(handed);
      setImmediate(() => handed.refused(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Nothing more is to be told of it. */
  done(handed: Handed): void {
    this.#waiting.delete(handed);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.clear();
    this.#started?.resolve();
    this.#lost('closed');
  }

  async #connect(): Promise<void> {
    const { host, port, clock, connectMs = CONNECT_MS } = this.#options;
    let secret: string;
    try {
      secret = await this.#options.secret();
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#closed || this.#library === undefined) return;
    const srf = this.#library.newSrf();
    const socket = dial({ host, port, noDelay: true, keepAlive: true });
    this.#socket = socket;
    this.#limit = clock.setTimeout(() => socket.destroy(new Error('no answer in time')), connectMs);
    let why = 'the server closed the connection';
    socket.once('error', (error) => {
      why = error.message;
    });
    socket.once('close', () => this.#gone(socket, why));
    socket.once('connect', () => this.#introduce(srf, socket, secret));
  }

  #introduce(srf: Srf, socket: Socket, secret: string): void {
    const server = createServer();
    srf.on('error', () => undefined);
    srf.once('connect', (error: unknown, addresses = '', version = '') => {
      if (this.#socket !== socket) return;
      if (error) {
        this.#failed(
          new Fault('drachtio-unusable', 'The drachtio server does not take our secret.', {
            remedy: 'Write the secret of its drachtio.conf.xml at edges.sip.drachtio.secret.',
          }),
        );
      } else this.#entered(srf, socket, { addresses: String(addresses).split(',').filter(Boolean), version });
    });
    srf.use((request, response) => this.#options.user.arrived(request, response));
    const [last, ...first] = ROUTES;
    // All are sent when one is added to a connection that stands: the last one, when it does.
    for (const method of first) this.#route(srf, method);
    srf.once('connect', (error: unknown) => {
      if (!error && this.#socket === socket) this.#route(srf, last);
    });
    srf.listen({ server, secret, enablePing: true, pingInterval: PING_MS });
    socket.setTimeout(3 * PING_MS, () => socket.destroy(new Error('the server no longer answers')));
    server.emit('connection', socket);
  }

  #route(srf: Srf, method: (typeof ROUTES)[number]): void {
    (srf as unknown as Record<string, (handler: () => void) => void>)[method]?.(() => undefined);
  }

  #entered(srf: Srf, socket: Socket, report: ServerReport): void {
    this.#limit?.clear();
    const fault = this.#options.refuses(report);
    if (fault !== undefined) {
      socket.destroy();
      this.#failed(fault);
      return;
    }
    this.#failures = 0;
    this.#srf = srf;
    this.#options.user.up(report);
    this.#started?.resolve();
    this.#started = undefined;
  }

  /** What no repetition helps, at the start; later the administrator may be about to mend it. */
  #failed(fault: unknown): void {
    const started = this.#started;
    if (started === undefined) {
      this.#lost(fault instanceof Error ? fault.message : String(fault));
      this.#again();
      return;
    }
    this.#started = undefined;
    this.close();
    started.reject(fault);
  }

  #gone(socket: Socket, why: string): void {
    if (this.#socket !== socket) return;
    this.#lost(why);
    this.#started?.resolve();
    this.#started = undefined;
    this.#again();
  }

  #lost(why: string): void {
    const stood = this.#srf !== undefined;
    this.#limit?.clear();
    this.#srf = undefined;
    if (this.#closed) this.#socket?.destroySoon();
    else this.#socket?.destroy();
    this.#socket = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const handed of waiting) handed.lost();
    if (stood || this.#started !== undefined) this.#options.user.down(why);
  }

  #again(): void {
    if (this.#closed) return;
    const { clock, fraction } = this.#options;
    const ms = Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** Math.min(this.#failures, 8));
    this.#failures += 1;
    this.#retry?.clear();
    this.#retry = clock.setTimeout(() => void this.#connect(), ms * (0.8 + 0.4 * fraction()));
  }
}
