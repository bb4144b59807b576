import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Every way to leave early; then Node ends by itself only if no socket and no timer is left. */
const script = `
import { Socket, createServer } from 'node:net';
import { once } from 'node:events';
import { DnsServer } from './conformance/dns-server.ts';
import { connectEndpoint } from './gateway/dns/connect.ts';
import { Resolver } from './gateway/dns/resolver.ts';

const server = await new DnsServer([{ name: 'x.example', type: 'A', data: '127.0.0.1' }]).start();
const resolver = new Resolver({ servers: [server.address], dnssec: 'off', timeoutMs: 3600_000 });
const listener = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
await once(listener, 'listening');
const { port } = listener.address();

await resolver.a('x.example');
server.whim = ({ type }) => (type === 'A' ? 'truncate' : undefined);
await resolver.a('y.example');
server.whim = ({ type }) => (type === 'AAAA' ? 'drop' : undefined);
const { socket } = await connectEndpoint(resolver, { host: 'x.example', port }, { timeoutMs: 3600_000 });
socket.destroy();
const open = () => new Socket();
const controller = new AbortController();
const leaving = { timeoutMs: 3600_000, attemptDelayMs: 3600_000, open, signal: controller.signal };
const left = connectEndpoint(resolver, { host: 'x.example', port }, leaving).catch(() => {});
setTimeout(() => controller.abort(), 20);
await left;
resolver.aaaa('z.example').catch(() => {});
setImmediate(() => {
  resolver.close();
  listener.close();
  server.close().then(() => console.log('closed'));
});
`;

it('leaves no socket and no timer behind', async () => {
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 });
  expect(stdout.trim()).toBe('closed');
});
