import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { endpointText } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';

/** A scraper sends a request line and a few headers; nothing here takes a body. */
const HEADER_BYTES = 8_192;
const REQUEST_MS = 10_000;

/** The administrative HTTP listener: `/metrics` for Prometheus and `/healthz`. */
export class AdminServer {
  readonly #server: Server;

  constructor(registry: Registry) {
    this.#server = createServer({ maxHeaderSize: HEADER_BYTES, requestTimeout: REQUEST_MS }, (request, response) => {
      const path = request.url?.split('?', 1)[0];
      if (request.method !== 'GET') response.writeHead(405).end();
      else if (path === '/healthz') response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
      else if (path !== '/metrics') response.writeHead(404).end();
      else {
        registry.metrics().then(
          (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
          () => response.writeHead(500).end(),
        );
      }
    });
  }

  /** Rejects with a {@link Fault} `listen-failed`. */
  start(host: string, port: number): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      // Stays on: once listening, an error is a connection that could not be accepted (too many open files, say).
      this.#server.on('error', (cause) => {
        const address = endpointText({ host, port });
        reject(new Fault('listen-failed', `Cannot listen on ${address} (admin): ${cause.message}`, { cause }));
      });
      this.#server.listen({ host, port }, () => {
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound ? { host: bound.address, port: bound.port } : { host, port });
      });
    });
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
