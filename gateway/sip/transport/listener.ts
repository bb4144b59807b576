import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { endpointText } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import { plainAddress } from './address.ts';
import type { Clock } from './clock.ts';
import type { Endpoint } from './flow.ts';
import type { Gate, Refusal } from './gate.ts';
import { type ServerTls, UnknownName } from './tls.ts';

/** Where to listen. In clear only for those whose addresses the administrator named. */
export type ListenOptions = Endpoint &
  (
    | { readonly tls: true; readonly admits?: (address: string) => boolean }
    | { readonly tls: false; readonly admits: (address: string) => boolean }
  );

export interface ListenerOptions {
  readonly at: ListenOptions;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly handshakeMs: number;
  readonly tls: ServerTls;
  /** A connection stands, and TLS on it. It has to be read at once. */
  accepted(socket: Socket, tls: TLSSocket | undefined): void;
  refused(refusal: Refusal, address: string): void;
}

/** One listening socket; connections come out of it behind the gate and the handshake. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  /** Connections whose handshake is under way. */
  readonly #shaking = new Set<Socket>();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Opens the listener; resolves with the address it got. Rejects with a {@link Fault} `listen-failed`. */
  listen(): Promise<Endpoint> {
    const { host, port } = this.#options.at;
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

  /**
   * Accepts nothing more, and ends handshakes under way. Connections handed over are their owner's matter: it resolves
   * when they are over too.
   */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#shaking) socket.destroy();
    return closed;
  }

  #accept(socket: Socket): void {
    const { at, gate, accepted, refused } = this.#options;
    const address = plainAddress(socket.remoteAddress ?? '');
    socket.on('error', ignore);
    const entry = at.admits?.(address) === false ? { refusal: 'address-not-admitted' as const } : gate.enter(address);
    if ('refusal' in entry) {
      socket.destroy();
      refused(entry.refusal, address);
      return;
    }
    socket.once('close', entry.leave);
    // A peer that was gone before it was looked at tells no more of itself.
    if (socket.destroyed) entry.leave();
    else if (at.tls) this.#shakeHands(socket, address);
    else accepted(socket, undefined);
  }

  #shakeHands(bare: Socket, address: string): void {
    const { clock, handshakeMs, tls, accepted, refused } = this.#options;
    const socket = tls.secure(bare);
    let refusal: Refusal = 'handshake-failed';
    const timer = clock.setTimeout(() => {
      refusal = 'handshake-timeout';
      socket.destroy();
    }, handshakeMs);
    const failed = (error: Error): void => {
      if (error instanceof UnknownName) refusal = 'name-unknown';
    };
    const closed = (): void => {
      timer.clear();
      this.#shaking.delete(socket);
      refused(refusal, address);
    };
    this.#shaking.add(socket);
    socket.on('error', failed);
    socket.once('close', closed);
    socket.once('secure', () => {
      timer.clear();
      this.#shaking.delete(socket);
      socket.off('error', failed);
      socket.off('close', closed);
      accepted(socket, socket);
    });
  }
}

function ignore(): void {
  // What went wrong on the bare connection is told by its close, or by the TLS above it.
}
