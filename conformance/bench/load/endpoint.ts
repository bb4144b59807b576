import { once } from 'node:events';
import type { Server } from 'node:net';

export interface Endpoint {
  /** A loopback address. */
  readonly address: string;
  readonly port: number;
}

/** Resolves with the port when the server listens. */
export async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the server does not listen on a port');
  return bound.port;
}
