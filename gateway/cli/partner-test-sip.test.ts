import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../pki/issue.ts';
import { calledBy } from './cli.fixture.ts';
import type { Observation } from './observation.ts';
import { PartnerWorld } from './partner.fixture.ts';

let world: PartnerWorld;
beforeEach(async () => {
  world = await PartnerWorld.create();
  await world.allowTrunks();
});
afterEach(() => world.close());

const partner = 'fabrikam.example';

/** Runs the test of the partner; findings as `severity area: message [reason] → remedy`. */
async function test(
  ...args: readonly string[]
): Promise<{ code: number; findings: string[]; via: string; home: string }> {
  const { code, out } = await world.partner('test', partner, ...args, '--json');
  const { findings, error, via, home } = JSON.parse(out);
  if (findings === undefined) throw new Error(JSON.stringify(error));
  const lines = (findings as Observation[]).map(({ severity, area, message, reason, remedy }) =>
    [`${severity} ${area}: ${message}`, reason && `[${reason}]`, remedy && `→ ${remedy}`].filter(Boolean).join(' '),
  );
  return { code, findings: lines, via, home };
}

const matching = (...patterns: readonly string[]) =>
  patterns.map((one) => expect.stringMatching(new RegExp(`^${one}`)));

describe('partner test of a partner that speaks SIP', () => {
  it('says what DNS names, who answers there, and what it answers to OPTIONS', async () => {
    await world.certify();
    await world.sipPolicy(partner);
    const { port, handlers } = await world.sipServer(partner);
    world.net.dns.add({
      name: partner,
      type: 'NAPTR',
      data: {
        order: 1,
        preference: 1,
        flags: 's',
        services: 'SIPS+D2T',
        regexp: '',
        replacement: `_trunk._tcp.${partner}`,
      },
    });
    world.publishSip(partner, port, { service: '_trunk._tcp' });
    const { code, findings, via, home } = await test();
    const server = `127\\.0\\.0\\.1:${port}`;
    expect(findings).toEqual(
      matching(
        'ok policies: fabrikam\\.example is a partner; what proves it: certificate$',
        'ok tls: we show a certificate that names contoso\\.example$',
        'ok dns: NAPTR of fabrikam\\.example leads to _trunk\\._tcp\\.fabrikam\\.example, for SIP over TLS$',
        `ok dns: _trunk\\._tcp\\.fabrikam\\.example leads to ${server} \\(127\\.0\\.0\\.1\\)$`,
        `ok connection: ${server} accepts, over TLS$`,
        'ok tls: certificate "CN=fabrikam\\.example": names fabrikam\\.example; for servers and clients; valid until 2',
        'ok tls: chain: CN=fabrikam\\.example ← CN=Test authority, which is trusted$',
        `ok proof: ${server} is proven by its certificate \\(sha256:[0-9a-f]+\\), which the policy takes$`,
        `ok ping: ${server} answered to OPTIONS with 200 OK in [0-9.]+ ms$`,
        'ok sip: fabrikam\\.example can be reached by contoso\\.example$',
      ),
    );
    expect([code, via, home]).toEqual([0, 'sip', 'contoso.example']);
    // OPTIONS alone, which nobody behind the stack is asked about.
    expect([handlers.requests, handlers.calls]).toEqual([[], []]);
  });

  it('lets DNS tell the protocol where the policy does, and tries what it is told', async () => {
    await world.certify();
    await world.policy(partner);
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port);
    const first = await test();
    expect(first).toMatchObject({ code: 0, via: 'sip' });
    expect(first.findings).toContain('ok policies: DNS names no XMPP server, so the gateway speaks SIP with it');
    await world.server(partner);
    expect(await test()).toMatchObject({ code: 0, via: 'xmpp' });
    expect(await test('--via', 'sip')).toMatchObject({ code: 0, via: 'sip' });
  });

  it('goes to the servers that the policy names, and is there whom the policy says', async () => {
    await world.certify();
    const { port } = await world.sipServer(partner, { partner: 'conference.contoso.example' });
    await world.sipPolicy(
      partner,
      'trunk:',
      `  hosts: ["127.0.0.1:${port}", nowhere.example]`,
      '  as: conference.contoso.example',
    );
    const { code, findings, home } = await test();
    expect([code, home]).toEqual([0, 'conference.contoso.example']);
    expect(findings).toContain(`ok dns: trunk.hosts: 127.0.0.1:${port} is 127.0.0.1:${port}`);
    expect(findings).toContainEqual(
      expect.stringMatching(/^warning dns: nowhere\.example: .*\[dns-not-found\] → check/),
    );
    expect(findings.at(-1)).toBe('ok sip: fabrikam.example can be reached by conference.contoso.example');
  });

  it('one good server suffices, and what is wrong with another is told', async () => {
    await world.certify();
    await world.sipPolicy(partner);
    const certificate = await world.net.issue({ domains: [partner] });
    const [{ port }, draining] = await Promise.all([
      world.sipServer(partner, { certificate }),
      world.sipServer(partner, { certificate }),
    ]);
    await draining.stack.drain(0);
    world.publishSip(partner, draining.port);
    world.publishSip(partner, 1, { priority: 1 });
    world.publishSip(partner, port, { priority: 2 });
    const { code, findings } = await test();
    expect(code).toBe(0);
    expect(findings).toContain('ok tls: its certificate is the same');
    expect(findings.slice(-3)).toEqual(
      matching(
        `warning sip: 127\\.0\\.0\\.1:${draining.port}: it answers to OPTIONS: 503 .*\\[remote-unreachable\\]`,
        'warning sip: 127\\.0\\.0\\.1:1: Cannot connect .*\\[remote-unreachable\\] → ask the partner whether',
        'ok sip: ',
      ),
    );
  });

  it.each([
    [
      'of no authority of ours',
      () => selfSignedCertificate({ domains: [partner] }),
      '\\[certificate-self-signed\\] → get the',
    ],
    [
      'of another domain',
      () => world.net.issue({ domains: ['sbc.fabrikam.example'] }),
      'names sbc\\.fabrikam\\.example\\. \\[certificate-wrong-name\\] → ask',
    ],
    [
      'that has expired',
      () =>
        world.net.issue({ domains: [partner], notBefore: new Date('2001-01-01'), notAfter: new Date('2001-02-01') }),
      '\\[certificate-expired\\] → ask the partner to renew',
    ],
  ])('a certificate %s proves nothing, and nothing is sent', async (_what, issue, said) => {
    await world.certify();
    await world.sipPolicy(partner);
    const { port, journal } = await world.sipServer(partner, { certificate: await issue() });
    world.publishSip(partner, port);
    const { code, findings } = await test();
    expect(code).toBe(1);
    expect(findings.filter((line) => line.startsWith('error'))).toEqual(
      matching(`error sip: 127\\.0\\.0\\.1:${port}: it does not prove fabrikam\\.example: .*${said}`),
    );
    expect(journal.entries).toEqual([]);
  });

  it('a wildcard counts where the policy says so', async () => {
    await world.certify();
    const domain = 'voice.fabrikam.example';
    const certificate = await world.net.issue({ domains: ['*.fabrikam.example'] });
    const { port } = await world.sipServer(domain, { certificate });
    world.publishSip(domain, port);
    await world.sipPolicy(domain);
    const strict = await world.partner('test', domain);
    expect(strict.code).toBe(1);
    expect(strict.out).toMatch(
      /^warning +tls +the certificate names voice\.fabrikam\.example by a wildcard only, .* → .*allowWildcardCertificate/m,
    );
    await world.sipPolicy(domain, 'trunk: { allowWildcardCertificate: true }');
    expect((await world.partner('test', domain)).code).toBe(0);
  });

  it('a policy that takes no certificate believes no trunk', async () => {
    await world.certify();
    await world.sandbox.write(
      `policies/${partner}.yaml`,
      `partner: ${partner}\nspeaks: sip\ntrust: { accept: [dialback] }\n`,
    );
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port);
    const { code, out } = await world.partner('test', partner);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^error +sip .*\[trust-insufficient\] \(.*fabrikam\.example\.yaml:3:10\) → write `trust: \{ accept: \[certificate\] \}`/m,
    );
  });

  it('a partner that has not taken us up yet lives, and that is told', async () => {
    await world.certify();
    await world.sipPolicy(partner);
    const { port } = await world.sipServer(partner, { partner: 'northwind.example' });
    world.publishSip(partner, port);
    const { code, findings } = await test();
    expect(code).toBe(0);
    expect(findings).toContainEqual(
      expect.stringMatching(/^warning ping: .* answered to OPTIONS with 403 .*→ it lives, and does not want us/),
    );
  });

  it('a partner that ends the connection behind the handshake is told apart', async () => {
    await world.certify();
    await world.sipPolicy(partner);
    const { certificatePem: cert, keyPem: key } = await world.net.issue({ domains: [partner] });
    await using server = createTlsServer({ cert, key, requestCert: true, ca: cert }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    world.publishSip(partner, (server.address() as AddressInfo).port);
    const { code, findings } = await test();
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(
      /^error sip: .*: It ended the connection when .* \[remote-unreachable\] → .*authority/,
    );
  });

  it.each([
    [
      'whose server is not there',
      () => world.publishSip(partner, 1),
      'error sip: .*\\[remote-unreachable\\] → ask the partner whether',
    ],
    [
      'that is not there',
      () => undefined,
      'error dns: .*\\[dns-not-found\\] → check the spelling; the partner publishes `_sips',
    ],
    [
      'that declares to have no SIP',
      () =>
        world.net.dns.add({
          name: `_sips._tcp.${partner}`,
          type: 'SRV',
          data: { priority: 0, weight: 0, port: 0, target: '.' },
        }),
      'error dns: .*\\[dns-service-refused\\] → the partner declares that it has no SIP over TLS',
    ],
  ])('a domain %s is an error', async (_what, publish, said) => {
    await world.sipPolicy(partner);
    publish();
    const { code, findings } = await test();
    expect(code).toBe(1);
    expect(findings.filter((line) => line.startsWith('error'))).toEqual(matching(said));
  });

  it('names that RFC 3263 does not follow are told, and what to write', async () => {
    await world.sipPolicy(partner);
    world.publishSip(partner, 5061, { service: '_sipfederationtls._tcp' });
    world.net.dns.add({
      name: partner,
      type: 'NAPTR',
      data: {
        order: 1,
        preference: 1,
        flags: 's',
        services: 'SIP+D2U',
        regexp: '',
        replacement: `_sip._udp.${partner}`,
      },
    });
    const { findings } = await test();
    expect(findings).toEqual(
      expect.arrayContaining(
        matching(
          'warning dns: NAPTR of fabrikam\\.example leads to _sip\\._udp\\.fabrikam\\.example by SIP\\+D2U, which is not SIP over TLS',
          'warning dns: _sipfederationtls\\._tcp\\.fabrikam\\.example leads to 127\\.0\\.0\\.1:5061, .* → write `trunk: \\{ hosts: \\["127\\.0\\.0\\.1:5061"\\] \\}`',
        ),
      ),
    );
  });

  it('says what keeps the gateway itself from the trunk', async () => {
    await world.certify();
    await world.sandbox.edit('gateway.yaml', [[/\n {2}sip: \{.*\}\n/, '\n']]);
    await world.sandbox.write(
      `policies/${partner}.yaml`,
      `partner: ${partner}\nspeaks: xmpp\ntrust: { accept: [certificate] }\n`,
    );
    const certificate = await world.net.issue({ domains: ['mail.contoso.example'] });
    await world.sandbox.write('pki/contoso.example.pem', certificate.certificatePem);
    await world.sandbox.write('pki/contoso.example.key', certificate.keyPem);
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port);
    const { code, findings } = await test('--via', 'sip');
    expect(code).toBe(1);
    expect(findings.filter((line) => !line.startsWith('ok'))).toEqual(
      matching(
        'warning policies: the policy says that fabrikam\\.example speaks XMPP only, .*\\[protocol-denied\\] → write `speaks: sip`',
        'error sip: there are no trunks: nothing crosses by SIP → add `edges',
        'warning tls: none of our certificates names contoso\\.example as SIP reads it',
        'warning ping: .*403',
      ),
    );
  });

  it('does not try XMPP where the policy says SIP', async () => {
    await world.sipPolicy(partner);
    const { code, findings } = await test('--via', 'xmpp');
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(/^error policies: the partner speaks SIP only \[protocol-denied\]/);
  });

  it('gives up on name servers that stay silent, as on partners', async () => {
    await world.policy(partner);
    world.net.dns.whim = () => 'drop';
    const { code, findings } = await test('--timeout', '100ms');
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(/^error connection: It was not done in 0\.1 s\. \[stream-timeout\]/);
  });

  it('says where the gateway has its trunks elsewhere', async () => {
    const drachtio = 'drachtio: { host: 127.0.0.1, secret: s, peersProvenBy: administrator }';
    await world.sandbox.edit('gateway.yaml', [[/sip: \{.*\}\n/, `sip: { ${drachtio} }\n`]]);
    await world.sipPolicy(partner, 'trunk: { addresses: [127.0.0.1] }');
    const { findings } = await test();
    expect(findings).toContainEqual(expect.stringMatching(/^warning sip: trunks go through the drachtio server/));
  });

  it('gives up when its time is over', async () => {
    await using mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    await world.sipPolicy(partner, `trunk: { hosts: ["127.0.0.1:${port}"] }`);
    const { code, findings } = await test('--timeout', '100ms');
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatch(/^error connection: It was not done in 0\.1 s\. \[stream-timeout\] → allow more/);
  });

  it('tells who watches what it is at, and a script nothing', async () => {
    await world.certify();
    await world.sipPolicy(partner);
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port);
    const args = ['partner', 'test', partner, '-c', world.sandbox.path('gateway.yaml')];
    const { err } = await calledBy({ watched: true }, ...args);
    expect(err).toBe(`asking DNS about ${partner} …\ntrying 127.0.0.1:${port} …\n`);
    expect((await calledBy({ watched: true }, ...args, '--json')).err).toBe('');
  });
});
