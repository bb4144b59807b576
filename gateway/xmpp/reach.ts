import type { Socket } from 'node:net';
import { asFault, Fault } from '../../policies/fault.ts';
import { connectEndpoint } from '../dns/connect.ts';
import { type Endpoint, locateXmppServer } from '../dns/locate.ts';
import type { Resolver } from '../dns/resolver.ts';

export interface ReachOptions {
  readonly resolver: Resolver;
  /** Uniform in [0, 1), for the draw among equal SRV records. */
  readonly random: () => number;
  /** The whole attempt, ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Endpoints to try before the others that DNS names. */
  readonly first?: ((endpoint: Endpoint) => boolean) | undefined;
}

/** Least time one server of several is given, ms: TCP, TLS, SASL or dialback over a slow line. */
const FAIR_SHARE_MS = 5_000;

/**
 * Reaches a partner's server: all endpoints that DNS names, in order, until `negotiate` succeeds on one (RFC 6120
 * §3.2, RFC 2782). Rejects with the {@link Fault} that tells most: what a server answered before that none did.
 */
export async function reach<S>(
  partner: string,
  options: ReachOptions,
  negotiate: (socket: Socket, endpoint: Endpoint, signal: AbortSignal) => Promise<S>,
): Promise<S> {
  const { resolver, random, signal, first = () => false } = options;
  const location = await locateXmppServer(resolver, partner, { random, signal });
  const share = Math.max(FAIR_SHARE_MS, options.timeoutMs / location.endpoints.length);
  let failure = new Fault('remote-unreachable', `No server of ${partner} could be reached.`);
  const endpoints = location.endpoints.toSorted((one, other) => Number(first(other)) - Number(first(one)));
  for (const endpoint of endpoints) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(new Fault('stream-timeout')), share);
    const both = AbortSignal.any([signal, limit.signal]);
    try {
      const { socket } = await connectEndpoint(resolver, endpoint, { signal: both, timeoutMs: share });
      return await negotiate(socket, endpoint, both);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      failure = tellsMore(failure, error);
    } finally {
      clearTimeout(timer);
    }
  }
  throw failure;
}

/** A refusal by a server outweighs that another was not there: it is what the operator must mend. */
function tellsMore(known: Fault, error: unknown): Fault {
  const fault = asFault(error);
  const silent = fault.code === 'remote-unreachable' || fault.code === 'remote-not-found';
  return silent && known.code !== 'remote-unreachable' ? known : fault;
}
