import type { Socket } from 'node:net';
import { Fault } from '../../policies/fault.ts';
import type { Endpoint } from '../dns/locate.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { EdgeContext } from './edge-context.ts';
import { type OutgoingOwner, OutgoingStream, type Target } from './outgoing.ts';
import { reach } from './reach.ts';
import { SessionCache } from './session-cache.ts';

export interface StreamOpenerOwner extends Omit<OutgoingOwner, 'sessions'> {
  /** A stream is being negotiated from now on. */
  opened(stream: OutgoingStream): void;
}

/** Connections being set up at once; further ones fail at once and are tried again later. */
const CONNECTING = 256;

/** Opens streams to partners' servers, wherever DNS says that these are. */
export class StreamOpener {
  readonly #context: EdgeContext;
  readonly #means: { readonly resolver: Resolver; readonly random: () => number };
  readonly #owner: OutgoingOwner & StreamOpenerOwner;
  readonly #endpoints = new WeakMap<OutgoingStream, Endpoint>();
  readonly #sessions = new SessionCache();
  #connections = 0;

  constructor(
    context: EdgeContext,
    means: { readonly resolver: Resolver; readonly random: () => number },
    owner: StreamOpenerOwner,
  ) {
    this.#context = context;
    this.#means = means;
    this.#owner = { ...owner, sessions: this.#sessions };
  }

  /** Where the stream leads. */
  endpointOf(stream: OutgoingStream): Endpoint | undefined {
    return this.#endpoints.get(stream);
  }

  /** Makes all TLS sessions anew from now on. */
  renew(): void {
    this.#sessions.clear();
  }

  /** Resolves with a stream that is negotiated, of `first` endpoints where these work. Rejects with a {@link Fault}. */
  async open(
    wanted: Omit<Target, 'tls'>,
    { signal, first }: { signal: AbortSignal; first?: ((endpoint: Endpoint) => boolean) | undefined },
  ): Promise<OutgoingStream> {
    if (this.#connections >= CONNECTING) throw new Fault('connections-full', 'Too many connections are being set up.');
    this.#connections++;
    const timeoutMs = this.#context.options.connectTimeoutMs;
    try {
      return await reach(wanted.partner, { ...this.#means, timeoutMs, signal, first }, (socket, endpoint, limit) =>
        this.#negotiate(socket, endpoint, { ...wanted, tls: endpoint.tls }, limit),
      );
    } finally {
      this.#connections--;
    }
  }

  async #negotiate(socket: Socket, endpoint: Endpoint, target: Target, signal: AbortSignal): Promise<OutgoingStream> {
    const stream = new OutgoingStream(socket, target, this.#context, this.#owner);
    this.#owner.opened(stream);
    this.#endpoints.set(stream, endpoint);
    await stream.negotiate(signal);
    return stream;
  }
}
