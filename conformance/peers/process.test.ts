import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Loopback } from './loopback.ts';
import { type Readiness, ServerProcess } from './process.ts';
import { RawStream } from './raw.ts';

function start(script: string, ...ready: Readiness[]): Promise<ServerProcess> {
  return ServerProcess.start({ name: 'a server', command: process.execPath, args: ['-e', script], ready });
}

describe('ServerProcess', () => {
  it('is started when its line and its port are there, and stops on SIGTERM', async () => {
    const loopback = new Loopback();
    const address = loopback.address();
    const port = await loopback.port(address);
    const server = await start(
      `require('node:net').createServer().listen(${port}, '${address}'); console.log('up'); console.error('said')`,
      /^up$/,
      { address, port },
    );
    expect(server.running).toBe(true);
    expect(await server.log.waitFor(/said/)).toBe('said');
    expect(await server.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(server.running).toBe(false);
    expect(await server.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('tells what a server printed that ended before it was ready', async () => {
    await expect(start(`console.log('no such file'); process.exit(3)`, /^up$/)).rejects.toThrow(
      /a server did not start: it ended with code 3\n(.*\n)*no such file/,
    );
  });

  it('tells when the program does not exist', async () => {
    const command = { name: 'nothing', command: '/does/not/exist', args: [], ready: [/up/] };
    await expect(ServerProcess.start(command)).rejects.toThrow(/nothing did not start/);
  });

  it('kills a server that is not ready in time', async () => {
    const command = { name: 'a mute', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] };
    await expect(ServerProcess.start({ ...command, ready: [/up/], startTimeoutMs: 300 })).rejects.toThrow(
      /a mute did not start: no line matched .* within 300 ms/,
    );
  });

  it.each(['SIGKILL', 'process.exit'])('ends its servers when the process of the tests ends by %s', async (how) => {
    const loopback = new Loopback();
    const address = loopback.address();
    const port = await loopback.port(address);
    const listen = `require('node:net').createServer(() => console.log('met')).listen(${port}, '${address}')`;
    const parent = await start(
      `import(${JSON.stringify(join(import.meta.dirname, 'process.ts'))}).then(async ({ ServerProcess }) => {
        const ready = [{ address: '${address}', port: ${port} }];
        await ServerProcess.start({ name: 'child', command: process.execPath, args: ['-e', ${JSON.stringify(listen)}], ready });
        console.log('child is up');
        process.stdin.once('data', () => process.exit());
      })`,
      /child is up/,
    );
    const witness = await RawStream.connect({ address, port });
    if (how === 'SIGKILL') parent.kill();
    else parent.write('exit');
    await witness.closed;
    await parent.exit;
    // The kernel closes what a process held one by one: its listener may go a moment after its connections.
    await vi.waitFor(() => expect(RawStream.connect({ address, port })).rejects.toThrow(/ECONNREFUSED/), 10_000);
  });
});

describe('Loopback', () => {
  it('hands out distinct addresses and ports that can be listened on', async () => {
    const loopback = new Loopback();
    const [first, second] = [loopback.address(), loopback.address()];
    expect(first).not.toBe(second);
    const ports = [await loopback.port(first), await loopback.port(first)];
    expect(new Set(ports).size).toBe(2);
    const server = createServer().listen(ports[0], first);
    await new Promise((resolve) => server.once('listening', resolve));
    expect(server.address()).toMatchObject({ address: first, port: ports[0] });
    await new Promise((resolve) => server.close(resolve));
  });
});
