import { createServer, type Server, type Socket } from 'node:net';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { endpointText, originOf } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';

export interface ListenerLimits {
  /** Simultaneous connections of all listeners that share the gate. */
  readonly connections: number;
  /** Simultaneous connections of one address. */
  readonly perAddress: number;
  /** Connections of one address within a period of ms. */
  readonly attempts: { readonly count: number; readonly periodMs: number };
}

/** Counts connections by where they come from, before a byte of them is read (XEP-0205 §2). */
export class Gate {
  readonly #limits: ListenerLimits;
  readonly #attempts: RateLimiterMemory;
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(limits: ListenerLimits) {
    this.#limits = limits;
    this.#attempts = new RateLimiterMemory({
      points: limits.attempts.count,
      duration: limits.attempts.periodMs / 1000,
    });
  }

  get connections(): number {
    return this.#total;
  }

  /** Counts a connection in, until its socket closes. False where it is one too many. `address`: where it comes from. */
  async admit(socket: Socket, address = socket.remoteAddress ?? ''): Promise<boolean> {
    const origin = originOf(address);
    const here = this.#open.get(origin) ?? 0;
    if (this.#total >= this.#limits.connections || here >= this.#limits.perAddress) return false;
    this.#total++;
    this.#open.set(origin, here + 1);
    socket.once('close', () => {
      this.#total--;
      const left = (this.#open.get(origin) ?? 1) - 1;
      if (left === 0) this.#open.delete(origin);
      else this.#open.set(origin, left);
    });
    return this.#attempts.consume(origin).then(
      () => true,
      () => false,
    );
  }
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly gate: Gate;
  onConnection(socket: Socket): void;
  onRefused(address: string): void;
}

/** One listening socket behind a gate. */
export class Listener {
  readonly #server: Server;
  readonly #options: ListenerOptions;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      void this.#accept(socket);
    });
  }

  /** Opens the listener; resolves with the address it got. Rejects with a {@link Fault} `listen-failed`. */
  listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const address = endpointText({ host, port });
        reject(new Fault('listen-failed', `Cannot listen on ${address}: ${cause.message}`, { cause }));
      });
      this.#server.listen({ host, port }, () => {
        // From here on an error is a connection that could not be accepted (too many open files, say).
        this.#server.on('error', ignore);
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound ? { host: bound.address, port: bound.port } : { host, port });
      });
    });
  }

  /** Accepts nothing more. Connections that stand are their streams' matter. */
  close(): void {
    this.#server.close();
  }

  async #accept(socket: Socket): Promise<void> {
    socket.on('error', ignore);
    if (!(await this.#options.gate.admit(socket))) {
      this.#options.onRefused(socket.remoteAddress ?? '');
      socket.destroy();
      return;
    }
    if (socket.destroyed) return;
    socket.off('error', ignore);
    this.#options.onConnection(socket);
    socket.resume();
  }
}

function ignore(): void {
  // The connection is being refused or handed over; what went wrong on it is told by its close.
}
