import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { Endpoint } from '../load/endpoint.ts';
import type { PipePlan } from './pipe-rig.ts';

/** A byte pipe as a Node programmer writes it; the process prints `ready` when it listens. */
const plan: PipePlan = JSON.parse(process.argv[2] ?? '{}');
const file = (name: string) => readFileSync(join(plan.folder, name));
const identity = { cert: file('pipe.crt'), key: file('pipe.key'), ca: file('ca.crt') };

await Promise.all([
  listening(
    plan.tls,
    createTlsServer({ ...identity, requestCert: true, rejectUnauthorized: true, noDelay: true }, (socket) => {
      joinBoth(socket, connect({ host: plan.home.address, port: plan.home.port, noDelay: true }));
    }),
  ),
  listening(
    plan.clear,
    createServer({ noDelay: true }, (socket) => {
      const { address: host, port } = plan.partner;
      joinBoth(socket, connectTls({ ...identity, host, port, checkServerIdentity: () => undefined }).setNoDelay(true));
    }),
  ),
]);
console.log('ready');

async function listening({ address, port }: Endpoint, server: Server): Promise<void> {
  server.listen(port, address);
  await once(server, 'listening');
}

function joinBoth(one: Socket, other: Socket): void {
  one.on('error', () => other.destroy());
  other.on('error', () => one.destroy());
  one.pipe(other).pipe(one);
}
