import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../../pki/issue.ts';
import { called, calledBy } from './cli.fixture.ts';
import { PartnerWorld } from './partner.fixture.ts';

let world: PartnerWorld;
beforeEach(async () => {
  world = await PartnerWorld.create();
});
afterEach(() => world.close());

const policyFile = () => readFile(world.sandbox.path('policies/fabrikam.example.yaml'), 'utf8');

/** The lines of one severity, or of all that looked at something. */
const lines = (out: string, severity = '(ok|warning|error)') =>
  out.split('\n').filter((line) => new RegExp(`^${severity} `).test(line));

describe('partner add', () => {
  it('writes what was seen to hold, line by line, and the policy is without a finding', async () => {
    await world.certify();
    const { port } = await world.server('fabrikam.example');
    const { code, out, err } = await world.partner('add', 'fabrikam.example');
    expect([code, err]).toEqual([0, '']);
    const server = `127\\.0\\.0\\.1:${port}`;
    expect(lines(out)).toEqual(
      [
        `ok {7}dns +_xmpp-server\\._tcp\\.fabrikam\\.example leads to ${server} with STARTTLS`,
        'ok {7}dns +DNSSEC: not all answers are validated',
        `ok {7}tls +${server} \\(127\\.0\\.0\\.1\\) speaks TLSv1\\.3 \\(TLS_`,
        'ok {7}tls +certificate "CN=fabrikam\\.example": names fabrikam\\.example; for servers and clients; valid until 2',
        'ok {7}tls +chain: CN=fabrikam\\.example ← CN=Test authority, which is trusted',
        `ok {7}proof +${server}: its certificate proves the domain`,
        `ok {7}proof +${server}: it answers for its dialback keys`,
        'ok {7}proof +a certificate proves this partner',
      ].map((line) => expect.stringMatching(new RegExp(`^${line}`))),
    );
    expect(out).toMatch(/\nno errors, no warnings\nwrote {2}.*policies\/fabrikam\.example\.yaml\n\nNext:\n1\. read/);
    expect(out).toContain('partner test fabrikam.example');
    expect(await policyFile()).toContain('trust: { accept: [certificate] }');
    const lint = await called('policy', 'lint', '-c', world.sandbox.path('gateway.yaml'));
    expect(lint.out).toMatch(/^ok +policies +partners: fabrikam\.example\nno errors, no warnings\n$/);
  });

  it('accepts dialback where no certificate proves the domain, and warns of it', async () => {
    const certificate = await selfSignedCertificate({ domains: ['fabrikam.example'] });
    await world.server('fabrikam.example', { certificate, accepts: ['dialback'] });
    const { code, out } = await world.partner('add', 'fabrikam.example');
    expect(code).toBe(0);
    expect(lines(out, 'warning')).toEqual([
      expect.stringContaining('is self-signed and not trusted. [certificate-self-signed]'),
      expect.stringContaining(
        'by certificate it proves nothing: "CN=fabrikam.example" is self-signed and not trusted. [certificate-self-signed] → get',
      ),
      expect.stringContaining('only dialback proves this partner: whoever can forge DNS'),
    ]);
    expect(await policyFile()).toMatch(/# Dialback is as strong as DNS.*\ntrust: \{ accept: \[dialback\] \}\n/);
  });

  it('tells where DNSSEC makes dialback strong', async () => {
    const certificate = await selfSignedCertificate({ domains: ['fabrikam.example'] });
    world.net.dns.authenticated = true;
    await world.server('fabrikam.example', { certificate, accepts: ['dialback'] });
    const { out } = await world.partner('add', 'fabrikam.example', '--dry-run');
    expect(out).toContain('DNSSEC: the resolver has validated every answer');
    expect(out).toContain('only dialback proves this partner: it is as strong as the DNSSEC of the domain');
    expect(out).not.toContain('# Dialback is as strong as DNS');
  });

  it('believes the certificate of a partner that refuses us as yet', async () => {
    await world.server('fabrikam.example');
    const { code, out } = await world.partner('add', 'fabrikam.example');
    expect(code).toBe(0);
    expect(lines(out, 'warning')).toEqual([
      expect.stringMatching(
        /refuses our stream: The peer .*not-authorized\. \[stream-error\] → ask the partner to take us/,
      ),
    ]);
    expect(await policyFile()).toContain('trust: { accept: [certificate] }');
  });

  it('looks at every server, and says once what they have in common', async () => {
    const { port } = await world.server('fabrikam.example');
    world.net.dns.add({
      name: '_xmpps-server._tcp.fabrikam.example',
      type: 'SRV',
      data: { priority: 9, weight: 0, port: 1, target: '127.0.0.1' },
    });
    world.net.dns.add({
      name: '_xmpp-server._tcp.fabrikam.example',
      type: 'SRV',
      data: { priority: 9, weight: 0, port, target: 'second.fabrikam.example' },
    });
    world.net.dns.add({ name: 'second.fabrikam.example', type: 'A', data: '127.0.0.1' });
    const { code, out } = await world.partner('add', 'fabrikam.example', '--json');
    const { findings, accept, written, next, file } = JSON.parse(out);
    expect([code, accept, written, next.length]).toEqual([0, ['certificate'], true, 3]);
    expect(file).toBe(world.sandbox.path('policies/fabrikam.example.yaml'));
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: 'warning', area: 'connection', reason: 'remote-unreachable' }),
    );
    for (const server of [`127.0.0.1:${port}`, `second.fabrikam.example:${port}`]) {
      const message = `${server}: its certificate proves the domain`;
      expect(findings).toContainEqual(expect.objectContaining({ message }));
    }
    const described = findings.filter(({ message }: { message: string }) => message.startsWith('certificate '));
    expect(described).toHaveLength(1);
  });

  it('tells who watches what it does, and a script nothing', async () => {
    await world.server('fabrikam.example');
    const args = ['partner', 'add', 'fabrikam.example', '--dry-run', '-c', world.sandbox.path('gateway.yaml')];
    expect((await calledBy({ watched: true }, ...args)).err).toBe(
      'asking DNS about fabrikam.example …\nlooking at 1 server of fabrikam.example …\n',
    );
    expect((await calledBy({ watched: true }, ...args, '--json')).err).toBe('');
  });

  it('finds rooms and SIP in DNS, and grants neither', async () => {
    await world.server('fabrikam.example');
    for (const name of ['_xmpp-server._tcp.conference', '_sipfederationtls._tcp']) {
      world.net.dns.add({
        name: `${name}.fabrikam.example`,
        type: 'SRV',
        data: { priority: 0, weight: 0, port: 5061, target: 'sip.fabrikam.example' },
      });
    }
    const { out } = await world.partner('add', 'fabrikam.example');
    expect(out).toMatch(
      /^ok +sip +_sipfederationtls\._tcp\.fabrikam\.example leads to sip\.fabrikam\.example:5061; for a trunk/m,
    );
    expect(await policyFile()).toMatch(
      /^domains: \[fabrikam\.example\] +# its chat rooms too: conference\.fabrikam\.example$/m,
    );
  });

  it('leaves to defaults.yaml what it says, and grants little where it is silent', async () => {
    await world.server('fabrikam.example');
    expect((await world.partner('add', 'fabrikam.example', '--dry-run')).out).toContain(
      '# As in defaults.yaml, key by key: messages, presence, iq, subscriptions, connections, contacts.',
    );
    await world.sandbox.write('policies/defaults.yaml', 'messages: { allow: inbound }\nlimits: { contacts: 3 }\n');
    await world.partner('add', 'fabrikam.example');
    const policy = await policyFile();
    expect(policy).toContain('# messages: as in defaults.yaml');
    expect(policy).not.toMatch(/^(messages| {2}contacts):/m);
    expect(policy).toMatch(/^ {2}messages: \{ rate: 20\/s, burst: 100 \}$/m);
    const { out } = await world.partner('show', 'fabrikam.example', '--json');
    expect(JSON.parse(out).policy).toContainEqual(
      expect.objectContaining({
        title: 'Messages',
        clauses: expect.arrayContaining([expect.objectContaining({ text: 'only from them to us' })]),
      }),
    );
  });

  it.each([
    [
      'of no such name',
      () => undefined,
      'DNS knows neither a server nor an address of fabrikam.example. [dns-not-found] → check the spelling',
    ],
    [
      'that declares to have no XMPP',
      () =>
        world.net.dns.add({
          name: '_xmpp-server._tcp.fabrikam.example',
          type: 'SRV',
          data: { priority: 0, weight: 0, port: 0, target: '.' },
        }),
      '[dns-service-refused] → the partner declares',
    ],
    [
      'whose server is not there',
      () => world.net.publish('fabrikam.example', 1),
      'nothing that was seen proves this partner [trust-insufficient] → mend',
    ],
  ])('writes nothing for a domain %s', async (_what, publish, said) => {
    publish();
    const { code, out } = await world.partner('add', 'fabrikam.example');
    expect(code).toBe(1);
    expect(lines(out, 'error')).toEqual([expect.stringContaining(said)]);
    expect(await readdir(world.sandbox.path('policies'))).not.toContain('fabrikam.example.yaml');
  });

  it('writes what is chosen where nothing is seen', async () => {
    world.net.publish('fabrikam.example', 1);
    const { code } = await world.partner('add', 'fabrikam.example', '--accept', 'dialback, certificate');
    expect(code).toBe(0);
    expect(await policyFile()).toMatch(
      /^# Chosen with --accept.*\n(#.*\n)*trust: \{ accept: \[certificate, dialback\] \}$/m,
    );
  });

  it('with --dry-run prints the policy and writes none', async () => {
    await world.server('fabrikam.example');
    const { code, out } = await world.partner('add', 'fabrikam.example', '--dry-run');
    expect(code).toBe(0);
    expect(out).toMatch(/\n# .*policies\/fabrikam\.example\.yaml\n# fabrikam\.example: first written by/);
    expect(await readdir(world.sandbox.path('policies'))).not.toContain('fabrikam.example.yaml');
  });

  it.each([
    ['contoso.example', 'partner-exists: contoso\\.example is a home domain.*gateway\\.yaml:\\d+:\\d+\\)'],
    ['fabrikam.example', 'partner-exists: fabrikam\\.example belongs to the partner fabrikam.*yaml:1:10\\)'],
    ['other.example', 'partner-exists: .*policies/other\\.example\\.yaml is there already'],
  ])('refuses %s, which is taken', async (domain, said) => {
    await world.policy('fabrikam.example');
    await world.sandbox.write('policies/other.example.yaml', 'partner: another.example\n');
    const { code, out, err } = await world.partner('add', domain);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(new RegExp(`^error ${said}.*\n {2}→ `));
  });

  it.each([
    [['add'], "missing required argument 'domain'"],
    [['add', '192.0.2.1'], 'A domain is written'],
    [['add', 'fabrikam.example', '--accept', 'dane'], 'Proofs are certificate and dialback'],
    [['add', 'fabrikam.example', '--timeout', '5'], 'is no duration'],
  ])('is wrongly used as %j', async (args, said) => {
    const { code, err } = await world.partner(...args);
    expect(code).toBe(2);
    expect(err).toContain(said);
  });

  it('speaks for a home domain alone', async () => {
    const { code, err } = await world.partner('add', 'fabrikam.example', '--home', 'other.example');
    expect(code).toBe(1);
    expect(err).toMatch(/^error domain-not-home: other\.example .*\n {2}→ home domains: contoso\.example, conference/);
  });
});
