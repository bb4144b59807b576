import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mainFile, Sandbox, spawned } from './cli.fixture.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await Sandbox.create();
});
afterAll(() => sandbox.remove());

it('prints one JSON line when it is ready, and stops well on SIGTERM', async () => {
  const daemon = spawn(process.execPath, [mainFile, 'run'], { cwd: sandbox.dir, stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(daemon, 'exit');
  const lines: string[] = [];
  const output = createInterface(daemon.stdout).on('line', (line) => lines.push(line));
  await Promise.race([once(output, 'line'), exited]);
  expect(JSON.parse(lines[0] ?? 'null')).toMatchObject({
    event: 'ready',
    xmpp: [expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
  });
  daemon.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(lines).toHaveLength(1);
});

it('does not start on a configuration that has an error', async () => {
  await sandbox.write('broken.yaml', 'home: {}\nbogus: 1\n');
  const { code, out, err } = await spawned(['run', '-c', 'broken.yaml'], sandbox.dir);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^error config-invalid: unknown key `bogus` \(broken\.yaml:2:1\)\n {2}→ keys here/m);
});
