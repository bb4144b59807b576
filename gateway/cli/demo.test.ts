import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mainFile } from './cli.fixture.ts';

/** Where the demo puts its own folder. */
let folder: string;
let demo: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drawbridge-cli-'));
});
afterEach(async () => {
  demo?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

function start(...args: string[]) {
  const child = spawn(process.execPath, [mainFile, 'demo', ...args], {
    env: { ...process.env, TMPDIR: folder, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  demo = child;
  const lines: string[] = [];
  const output = createInterface(child.stdout).on('line', (line) => lines.push(line));
  createInterface(child.stderr).on('line', (line) => lines.push(line));
  return { child, lines, output, ended: once(child, 'close') };
}

it('shows with --once all that must be seen, says so in a line each, and leaves nothing behind', async () => {
  const { lines, ended } = start('--once');
  const [code] = await ended;
  expect(lines.filter((line) => /^ *\d+ . /.test(line))).toEqual([
    expect.stringMatching(/^ 1 ✓ both gateways ready .*in \d+ and \d+ ms; .* by SCRAM-SHA-256-PLUS$/),
    expect.stringMatching(/^ 2 ✓ certificates prove both .*by certificate, TLSv1\.3 .* ping: result/),
    expect.stringMatching(/^ 3 ✓ mutual subscription .*bob both; bob's roster: alice both$/),
    expect.stringMatching(/^ 4 ✓ presence seen .*bob sees alice dnd, ".+"; alice sees bob available, without words$/),
    expect.stringMatching(
      /^ 5 ✓ an executive not seen .*unsubscribed; .* the message alone came; policies\/fabrikam\.example\.yaml:6$/,
    ),
    expect.stringMatching(/^ 6 ✓ a chat each way .*bob [\d.]+ ms, bob → alice [\d.]+ ms$/),
    expect.stringMatching(/^ 7 ✓ a spoofed sender refused .*stream error invalid-from/),
    expect.stringMatching(
      /^ 8 ✓ a flood throttled .*600 sent, \d{2,3} received, \d{3} bounced with resource-constraint; policies/,
    ),
    expect.stringMatching(/^ 9 ✓ an unknown domain refused .*stream error not-authorized/),
    expect.stringMatching(
      /^10 ✓ a SIP message each way .*alice [\d.]+ ms, 200 OK; alice → dora: MESSAGE sip:dora@northwind\.example, From sip:alice@contoso\.example;gr=\S+$/,
    ),
    expect.stringMatching(
      /^11 ✓ a SIP call to the PBX .*INVITE sip:alice@contoso\.example From sip:dora@northwind\.example: 180, answered .* ACK; .*BYE; log: call ended$/,
    ),
    expect.stringMatching(/^12 ✓ a sips: message refused .*480 .*, Warning 380 .*; log: sips-not-bridged$/),
    expect.stringMatching(
      /^13 ✓ a spoofed From refused .*From ceo@contoso\.example: 403 .*; From bob@fabrikam\.example: 403 .*; log: sender-not-proven$/,
    ),
    expect.stringMatching(/^14 ✓ a killed gateway loses nothing .*none lost, none twice, order kept$/),
  ]);
  expect(lines.at(-1)).toBe('All 14 as they must be.');
  expect(code).toBe(0);
  expect(await readdir(folder)).toEqual([]);
}, 60_000);

it('says first how to sign in, and leaves nothing behind when it is interrupted', async () => {
  const { child, lines, output, ended } = start();
  while (!lines.some((line) => line.startsWith('Configuration'))) await once(output, 'line');
  expect(lines.join('\n')).toMatch(/alice@contoso\.example +password \S+\n(.*\n)* +server +127\.\S+ port \d+,/);
  expect(lines.join('\n')).toMatch(/WebSocket +wss?:\/\/127\.\S+:\d+\/\S*\n +CA file +\S+\/pki\/ca\.pem/);
  expect(lines.join('\n')).toMatch(/user +sip:dora@northwind\.example, .*\n +SIP +127\.\S+ port \d+, mutual TLS/);
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  expect(await readdir(folder)).toEqual([]);
}, 30_000);
