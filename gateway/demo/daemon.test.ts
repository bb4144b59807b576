import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { Sandbox } from '../cli/cli.fixture.ts';
import { Daemon } from './daemon.ts';
import { having } from './log-line.ts';
import { Ports } from './loopback.ts';

const late = AbortSignal.timeout(15_000);
let sandbox: Sandbox;
let port: number;

beforeAll(async () => {
  sandbox = await Sandbox.create();
  port = await new Ports().take('127.0.0.1', 'xmpp-server');
  await sandbox.edit('gateway.yaml', [['listen: ["127.0.0.1:0"]', `listen: ["127.0.0.1:${port}"]`]]);
});
afterAll(() => sandbox.remove());

it('starts, is killed, starts again at the same port, and ends well', async () => {
  const daemon = new Daemon(sandbox.dir);
  onTestFinished(() => daemon.close());
  const { pid } = await daemon.start();
  expect(daemon.pid).toBe(pid);
  await daemon.kill();
  expect(daemon.pid).toBeUndefined();
  const before = daemon.log.mark();
  expect((await daemon.start()).pid).not.toBe(pid);
  await daemon.close();
  await daemon.log.find('the end', having({ event: 'stopped' }), before, late);
});

it('tells of what kept it from starting', async () => {
  const daemon = new Daemon(sandbox.path('policies'));
  onTestFinished(() => daemon.close());
  await expect(daemon.start()).rejects.toThrow(
    /exit code 1\.\nerror config-unreadable: .*gateway\.yaml cannot be read/,
  );
});

it('does not outlive the process that started it, even where that is killed', async () => {
  const script = `
    import { Daemon } from ${JSON.stringify(new URL('daemon.ts', import.meta.url).href)};
    await new Daemon(${JSON.stringify(sandbox.dir)}).start();
    console.log('ready');`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void parent.kill('SIGKILL'));
  await once(parent.stdout, 'data', { signal: late });
  expect(await accepts()).toBe(true);
  parent.kill('SIGKILL');
  while (await accepts('until it closes'));
});

/** Whether the gateway takes connections; with `how`, told only once the one taken has ended. */
function accepts(how?: 'until it closes'): Promise<boolean> {
  const connection = connect(port, '127.0.0.1').resume();
  let connected = false;
  connection.on('error', () => undefined);
  connection.on('connect', () => {
    connected = true;
    if (how === undefined) connection.destroy();
  });
  return new Promise((resolve) => connection.on('close', () => resolve(connected)));
}
