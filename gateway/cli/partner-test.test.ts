import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../pki/issue.ts';
import { mainFile } from './cli.fixture.ts';
import type { Observation } from './observation.ts';
import { PartnerWorld } from './partner.fixture.ts';

let world: PartnerWorld;
beforeEach(async () => {
  world = await PartnerWorld.create();
});
afterEach(() => world.close());

/** Runs the test of a partner; findings as `severity area: message [reason] → remedy`. */
async function test(...args: readonly string[]): Promise<{ code: number; findings: string[] }> {
  const { code, out } = await world.partner('test', ...args, '--json');
  const { findings, error } = JSON.parse(out) as { findings?: Observation[]; error?: unknown };
  if (findings === undefined) throw new Error(JSON.stringify(error));
  const lines = findings.map(({ severity, area, message, reason, remedy }) =>
    [`${severity} ${area}: ${message}`, reason && `[${reason}]`, remedy && `→ ${remedy}`].filter(Boolean).join(' '),
  );
  return { code, findings: lines };
}

const matching = (...patterns: readonly string[]) =>
  patterns.map((one) => expect.stringMatching(new RegExp(`^${one}`)));

describe('partner test', () => {
  it('opens a stream as the gateway would, and says each step', async () => {
    await world.certify();
    await world.policy('fabrikam.example');
    const { port, host, journal } = await world.server('fabrikam.example', { answersPings: false });
    const { code, findings } = await test('fabrikam.example');
    const server = `127\\.0\\.0\\.1:${port}`;
    expect(findings).toEqual(
      matching(
        'ok policies: fabrikam\\.example is a partner; what proves it: certificate$',
        `ok dns: _xmpp-server\\._tcp\\.fabrikam\\.example leads to ${server}`,
        'ok dns: DNSSEC',
        `ok connection: ${server} accepts \\(127\\.0\\.0\\.1\\)$`,
        `ok tls: ${server} speaks TLSv1\\.3 \\(TLS_`,
        `ok proof: ${server} is proven by certificate \\(sha256:`,
        `ok proof: ${server} takes our certificate \\(SASL EXTERNAL\\)$`,
        `ok ping: ${server} took a ping of contoso\\.example in [0-9.]+ ms \\(XEP-0199, acknowledged by XEP-0198\\)$`,
        'ok stream: fabrikam\\.example can be reached by contoso\\.example$',
      ),
    );
    expect(code).toBe(0);
    expect(host.pings).toHaveLength(1);
    expect(host.received).toEqual([]);
    expect(await journal.seen({ event: 'stream-closed' })).toMatchObject({ partner: 'contoso.example' });
  });

  it('speaks direct TLS where DNS names it, and for the home domain it is told', async () => {
    await world.certify();
    await world.policy('fabrikam.example');
    await world.server('fabrikam.example', { tls: 'direct' });
    const { code, findings } = await test('fabrikam.example', '--home', 'conference.contoso.example');
    expect(code).toBe(0);
    expect(findings).toContainEqual(expect.stringMatching(/^ok dns: _xmpps-server.* with direct TLS/));
    expect(findings.at(-1)).toBe('ok stream: fabrikam.example can be reached by conference.contoso.example');
  });

  it('one good server suffices, and what is wrong with another is told', async () => {
    await world.certify();
    await world.policy('fabrikam.example');
    await world.server('fabrikam.example');
    world.net.dns.add({
      name: '_xmpp-server._tcp.fabrikam.example',
      type: 'SRV',
      data: { priority: 9, weight: 0, port: 1, target: '127.0.0.1' },
    });
    const { code, findings } = await test('fabrikam.example');
    expect(code).toBe(0);
    expect(findings.slice(-2)).toEqual(
      matching(
        'warning stream: 127\\.0\\.0\\.1:1: .*\\[remote-unreachable\\] → ask the partner whether',
        'ok stream: ',
      ),
    );
  });

  it.each([
    [
      'a server whose certificate does not suffice',
      async () => {
        await world.certify();
        const certificate = await selfSignedCertificate({ domains: ['fabrikam.example'] });
        await world.server('fabrikam.example', { certificate });
      },
      'error stream: 127.*"CN=fabrikam.example" is self-signed and not trusted\\. \\[certificate-self-signed\\] → get the',
    ],
    [
      'a server that is not there',
      async () => world.net.publish('fabrikam.example', 1),
      'error stream: 127\\.0\\.0\\.1:1: .*\\[remote-unreachable\\] → ask the partner whether',
    ],
    [
      'a domain that is not there',
      async () => undefined,
      'error dns: DNS knows neither.*\\[dns-not-found\\] → check the spelling',
    ],
  ])('%s is an error', async (_what, publish, said) => {
    await world.policy('fabrikam.example');
    await publish();
    const { code, findings } = await test('fabrikam.example');
    expect(code).toBe(1);
    expect(findings.filter((line) => line.startsWith('error'))).toEqual(matching(said));
  });

  it('a partner that believes nothing of ours is told apart', async () => {
    await world.policy('fabrikam.example');
    await world.server('fabrikam.example');
    const { code, findings } = await test('fabrikam.example');
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(
      /^error stream: .*not-authorized\. \[stream-error\] → ask the partner to take us up/,
    );
  });

  it('a key that no gateway owns is told as what it is', async () => {
    await world.policy('fabrikam.example');
    await world.server('fabrikam.example', { accepts: ['dialback'] });
    // Whoever is asked for us knows nothing of this probe's keys.
    await world.server('contoso.example', { accepts: ['dialback'] });
    const { code, findings } = await test('fabrikam.example');
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(/\[dialback-invalid\] → this probe cannot show the key/);
  });

  it('a partner that takes dialback takes the key that the configured secret makes', async () => {
    await world.sandbox.edit('gateway.yaml', [
      ['# dialback: { secret: { env: DIALBACK_SECRET } }', 'dialback: { secret: secret of contoso.example } #'],
    ]);
    await world.policy('fabrikam.example');
    await world.server('fabrikam.example', { accepts: ['dialback'] });
    await world.server('contoso.example', { accepts: ['dialback'] });
    const { code, findings } = await test('fabrikam.example');
    expect(findings).toContainEqual(expect.stringMatching(/^ok proof: .* takes our dialback key \(XEP-0220\)$/));
    expect(code).toBe(0);
  });

  it('gives up when its time is over', async () => {
    await using mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    await world.policy('fabrikam.example');
    world.net.publish('fabrikam.example', (mute.address() as AddressInfo).port);
    const { code, findings } = await test('fabrikam.example', '--timeout', '100ms');
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(/^error connection: It was not done in 0\.1 s\. \[stream-timeout\] → allow more/);
  });

  it('ends at Ctrl-C, with what it has found', async () => {
    await using mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    await world.policy('fabrikam.example');
    world.net.publish('fabrikam.example', (mute.address() as AddressInfo).port);
    const probe = spawn(process.execPath, [mainFile, 'partner', 'test', 'fabrikam.example'], {
      cwd: world.sandbox.dir,
    });
    let out = '';
    probe.stdout.on('data', (text) => {
      out += text;
    });
    await once(mute, 'connection');
    while (!out.includes('connection')) await once(probe.stdout, 'data');
    probe.kill('SIGINT');
    expect(await once(probe, 'close')).toEqual([130, null]);
    expect(out).toMatch(/\nok +connection .*\nerror +connection +interrupted\n1 error, no warnings\n$/);
  });

  it('knows no stranger', async () => {
    const { code, err } = await world.partner('test', 'fabrikam.example');
    expect(code).toBe(1);
    expect(err).toMatch(/^error no-partner: .*\n {2}→ drawbridge partner add fabrikam\.example/);
  });
});
