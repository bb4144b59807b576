import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { called, mainFile, Sandbox, spawned } from './cli.fixture.ts';

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

it.each([
  ['state: ./state', 'state: ./gateway.yaml', 'config-invalid: the state folder cannot be used: E', 'name a folder'],
  ['level: info', 'level: info, file: policies', 'config-invalid: the log file cannot be opened: E', 'name a file'],
  [
    'level: info',
    'level: info, file: gateway.yaml/log',
    'config-invalid: the log file cannot be opened',
    'name a file',
  ],
  ['policies: ./policies', 'policies: ./polciies', 'policy-invalid: the policies folder cannot be used: E', 'check'],
  ['contoso.example.pem', 'gone.pem', 'certificate-unusable: .*gone.pem cannot be read: ENOENT', 'Check the path'],
  ['pki/ca.pem', 'pki/gone.pem', 'trust-unusable: .*gone.pem cannot be read: ENOENT', 'Check the path'],
  ['state/home-secret', 'gone', 'config-invalid: .*gone, which holds a secret, cannot be read: ENOENT', 'Check the'],
  ['listen: ["127.0.0.1:0"]', 'listen: ["192.0.2.1:0"]', 'listen-failed: .*192.0.2.1:0', 'choose an address'],
  ['listen: "127.0.0.1:0"', 'listen: "192.0.2.1:0"', 'listen-failed: .*192.0.2.1:0 \\(admin\\)', 'choose an address'],
])('tells where %s is wrong as %s', async (from, to, said, remedy) => {
  const whole = await readFile(sandbox.path('gateway.yaml'), 'utf8');
  await sandbox.edit('gateway.yaml', [[from, to]]);
  const line = (await readFile(sandbox.path('gateway.yaml'), 'utf8')).split('\n').findIndex((one) => one.includes(to));
  const { code, out, err } = await called('run', '-c', sandbox.path('gateway.yaml'));
  await sandbox.write('gateway.yaml', whole);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(new RegExp(`^error ${said}.*gateway\\.yaml:${line + 1}:\\d+\\)\n {2}→ ${remedy}.*\n$`));
});

it('a second gateway fails on its listeners, before it touches the links of the first', async () => {
  await using edge = createServer().listen(0, '127.0.0.1');
  await once(edge, 'listening');
  await using component = createServer().listen(0, '127.0.0.1');
  await once(component, 'listening');
  let links = 0;
  component.on('connection', (socket) => {
    links++;
    socket.destroy();
  });
  const whole = await readFile(sandbox.path('gateway.yaml'), 'utf8');
  await sandbox.write('policies/fabrikam.example.yaml', 'partner: fabrikam.example\n');
  await sandbox.edit('gateway.yaml', [
    ['listen: ["127.0.0.1:0"]', `listen: ["127.0.0.1:${(edge.address() as AddressInfo).port}"]`],
    [/port: 1$/m, `port: ${(component.address() as AddressInfo).port}`],
  ]);
  const { code, err } = await called('run', '-c', sandbox.path('gateway.yaml'));
  await sandbox.write('gateway.yaml', whole);
  expect(code).toBe(1);
  expect(err).toMatch(/^error listen-failed: .*EADDRINUSE.*\n {2}→ nothing to do if it is this gateway that runs/);
  expect(links).toBe(0);
});

it('does not start on a configuration that has an error', async () => {
  await sandbox.write('broken.yaml', 'home: {}\nbogus: 1\n');
  const { code, out, err } = await spawned(['run', '-c', 'broken.yaml'], sandbox.dir);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^error config-invalid: unknown key `bogus` \(broken\.yaml:2:1\)\n {2}→ keys here/m);
});
