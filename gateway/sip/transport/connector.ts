import { connect, type Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { endpointText } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import type { Clock } from './clock.ts';
import type { FlowTarget } from './flow.ts';
import type { FlowLimits } from './limits.ts';
import { secureAsClient } from './tls.ts';

/** Starts a TCP connection. */
export type Dial = (target: { readonly host: string; readonly port: number }) => Socket;

export interface ConnectorOptions {
  readonly clock: Clock;
  readonly limits: Pick<FlowLimits, 'connectMs' | 'handshakeMs'>;
  readonly dial: Dial;
}

export interface Connected {
  readonly socket: Socket;
  readonly tls: TLSSocket | undefined;
}

/** `net.connect`. */
export const dialTcp: Dial = ({ host, port }) => connect({ host, port, noDelay: true });

/**
 * Connects, over TLS where a context is given. The peer is not judged yet, and nothing was read: whoever gets the
 * socket reads at once. Rejects with `remote-unreachable`, `tls-failed`, or the reason of the signal.
 */
export async function connectSocket(
  target: FlowTarget,
  context: SecureContext | undefined,
  { clock, limits, dial }: ConnectorOptions,
  signal: AbortSignal,
): Promise<Connected> {
  signal.throwIfAborted();
  const where = endpointText(target);
  const socket = dial(target);
  const unreachable = (why: string, cause?: Error): Fault =>
    new Fault('remote-unreachable', `Cannot connect to ${where}: ${why}`, { cause });
  await stands(socket, { event: 'connect', ms: limits.connectMs, fault: unreachable, clock, signal });
  if (context === undefined) return { socket, tls: undefined };
  const tls = secureAsClient(socket, target.name, context);
  const failed = (why: string, cause?: Error): Fault =>
    new Fault('tls-failed', `TLS with ${where} failed: ${why}`, { cause });
  await stands(tls, { event: 'secureConnect', ms: limits.handshakeMs, fault: failed, clock, signal });
  return { socket: tls, tls };
}

interface Step {
  readonly event: 'connect' | 'secureConnect';
  readonly ms: number;
  readonly fault: (why: string, cause?: Error) => Fault;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Waits for the event; else destroys the socket and rejects. */
function stands(socket: Socket, { event, ms, fault, clock, signal }: Step): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: unknown): void => {
    reject(reason);
    socket.destroy();
  };
  const timer = clock.setTimeout(() => fail(fault(`no answer within ${ms / 1000} s`)), ms);
  const aborted = (): void => fail(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });
  // Listens on: an error after the outcome is its new owner's to hear, and must not go unheard until then.
  socket.on('error', (error) => fail(fault(error.message, error)));
  socket.once('close', () => reject(fault('the peer closed the connection')));
  socket.once(event, () => resolve());
  return promise.finally(() => {
    timer.clear();
    signal.removeEventListener('abort', aborted);
  });
}
