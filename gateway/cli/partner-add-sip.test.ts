import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../pki/issue.ts';
import { called } from './cli.fixture.ts';
import { PartnerWorld } from './partner.fixture.ts';

let world: PartnerWorld;
beforeEach(async () => {
  world = await PartnerWorld.create();
});
afterEach(() => world.close());

const partner = 'fabrikam.example';
const policyFile = () => readFile(world.sandbox.path(`policies/${partner}.yaml`), 'utf8');
const lines = (out: string) => out.split('\n').filter((line) => /^(ok|warning|error) /.test(line));

describe('partner add of a partner that speaks SIP', () => {
  it('takes SIP where DNS names nothing else, and writes a policy that grants little', async () => {
    await world.certify();
    await world.allowTrunks();
    const { port, journal, handlers } = await world.sipServer(partner);
    world.publishSip(partner, port);
    const { code, out, err } = await world.partner('add', partner);
    expect([code, err]).toEqual([0, '']);
    const server = `127\\.0\\.0\\.1:${port}`;
    expect(lines(out)).toEqual(
      [
        'ok {7}dns +fabrikam\\.example names SIP servers and no XMPP server: it speaks SIP$',
        `ok {7}dns +_sips\\._tcp\\.fabrikam\\.example leads to ${server}`,
        'ok {7}tls +we show a certificate that names contoso\\.example$',
        `ok {7}connection +${server} accepts, over TLS$`,
        'ok {7}tls +certificate "CN=fabrikam\\.example": names fabrikam\\.example; for servers',
        'ok {7}tls +chain: CN=fabrikam\\.example ← CN=Test authority, which is trusted',
        `ok {7}proof +${server}: its certificate proves the domain`,
        'ok {7}proof +a certificate proves this partner',
      ].map((line) => expect.stringMatching(new RegExp(`^${line}`))),
    );
    // It is shown our certificate, and sent nothing.
    expect([journal.entries, handlers.requests]).toEqual([[], []]);
    const policy = await policyFile();
    expect(policy).toMatch(/^speaks: sip$/m);
    expect(policy).toMatch(/^trust: \{ accept: \[certificate\] \}$/m);
    expect(policy).toMatch(/^# trunk: .*\n# +addresses: /m);
    expect(policy).toMatch(/^# Calls: silence is no\./m);
    expect(policy).not.toMatch(/^(calls|presence|iq|trunk):/m);
    const lint = await called('policy', 'lint', '-c', world.sandbox.path('gateway.yaml'));
    expect(lint.out).toMatch(/\nno errors, no warnings\n$/);
    expect((await world.partner('test', partner)).code).toBe(0);
  });

  it('names the servers that the gateway would not find, and the home domain that is not the first', async () => {
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port, { service: '_sipfederationtls._tcp' });
    const { code, out } = await world.partner('add', partner, '--home', 'conference.contoso.example', '--json');
    const { via, next, findings } = JSON.parse(out);
    expect([code, via]).toEqual([0, 'sip']);
    expect(findings).toContainEqual(
      expect.objectContaining({
        severity: 'ok',
        message: `_sipfederationtls._tcp.${partner} leads to 127.0.0.1:${port}, which the policy names as \`trunk.hosts\``,
      }),
    );
    expect(next).toEqual([
      expect.stringContaining('read through'),
      expect.stringContaining('add `edges: { sip:'),
      expect.stringContaining('_sips._tcp.conference.contoso.example'),
      expect.stringContaining(`a component ${partner}`),
      expect.stringContaining(`partner test ${partner}`),
    ]);
    expect(await policyFile()).toMatch(
      new RegExp(
        `^trunk:\n {2}hosts: \\["127\\.0\\.0\\.1:${port}"\\]\n {2}as: "conference\\.contoso\\.example"\n {2}# addresses: `,
        'm',
      ),
    );
  });

  it('looks at SIP where it is told to, though there is XMPP', async () => {
    await world.server(partner);
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port);
    expect((await world.partner('add', partner, '--dry-run')).out).toMatch(/^speaks: xmpp$/m);
    expect((await world.partner('add', partner, '--dry-run', '--via', 'sip')).out).toMatch(/^speaks: sip$/m);
  });

  it('leaves to defaults.yaml what it says of calls and messages', async () => {
    await world.sandbox.write('policies/defaults.yaml', 'messages: { allow: inbound }\ncalls: { allow: none }\n');
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, port);
    await world.partner('add', partner);
    const policy = await policyFile();
    expect(policy).toContain('# messages: as in defaults.yaml');
    expect(policy).toContain('# calls: as in defaults.yaml');
    expect(policy).toMatch(/^limits:\n {2}messages: \{ rate: 20\/s, burst: 100 \}$/m);
  });

  it('writes nothing where nothing proves the domain, unless it is told to', async () => {
    const certificate = await selfSignedCertificate({ domains: [partner] });
    const { port } = await world.sipServer(partner, { certificate });
    world.publishSip(partner, port);
    const { code, out } = await world.partner('add', partner);
    expect(code).toBe(1);
    expect(lines(out).slice(-2)).toEqual([
      expect.stringMatching(
        /^warning +proof .*its certificate proves nothing: .*\[certificate-self-signed\] → get the/,
      ),
      expect.stringMatching(/^error +proof .*\[trust-insufficient\] → mend/),
    ]);
    expect(await readdir(world.sandbox.path('policies'))).not.toContain(`${partner}.yaml`);
    expect((await world.partner('add', partner, '--accept', 'certificate')).code).toBe(0);
    expect(await policyFile()).toMatch(/^# Chosen with --accept/m);
  });

  it('a server that is not there, and one that is', async () => {
    const { port } = await world.sipServer(partner);
    world.publishSip(partner, 1);
    world.publishSip(partner, port, { priority: 1 });
    const { code, out } = await world.partner('add', partner, '--dry-run');
    expect(code).toBe(0);
    expect(out).toMatch(/^warning +connection +127\.0\.0\.1:1: .*\[remote-unreachable\] → ask the partner whether/m);
  });

  it('knows no dialback in SIP', async () => {
    const { code, err } = await world.partner('add', partner, '--via', 'sip', '--accept', 'dialback');
    expect(code).toBe(2);
    expect(err).toMatch(/^error wrong-use: A SIP trunk is proven by its certificate alone/m);
  });
});
