import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { called, Sandbox } from './cli.fixture.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await Sandbox.create();
  await sandbox.write(
    'policies/fabrikam.example.yaml',
    `partner: fabrikam.example
domains: [fabrikam.example, "*.fabrikam.example"]
trust: { accept: { all: [certificate, dialback] } }
groups: { executives: [ceo@contoso.example] }
presence:
  - { local: "group:executives", show: nothing }
  - { local: "*@contoso.example", show: status }
messages: { allow: outbound }
iq: { allow: [ping, "urn:xmpp:mam:2"] }
limits:
  subscriptions: { rate: 30/min }
`,
  );
  await sandbox.write('policies/northwind.example.yaml', 'partner: northwind.example\n');
});
afterAll(() => sandbox.remove());

const partner = (...args: readonly string[]) => called('partner', ...args, '-c', sandbox.path('gateway.yaml'));

describe('partner list', () => {
  it('has a line for each partner, with what proves it and where that is said', async () => {
    const { code, out } = await partner('list');
    expect(code).toBe(0);
    expect(out.replaceAll(`${sandbox.dir}/`, '').split('\n')).toEqual([
      'fabrikam.example   certificate and dialback  policies/fabrikam.example.yaml:1:10   fabrikam.example, *.fabrikam.example',
      'northwind.example  certificate               policies/northwind.example.yaml:1:10  northwind.example',
      '',
    ]);
  });

  it('says the same in JSON', async () => {
    const { out } = await partner('list', '--json');
    expect(JSON.parse(out).partners[1]).toEqual({
      partner: 'northwind.example',
      domains: ['northwind.example'],
      speaks: 'auto',
      trust: {
        mode: 'any',
        methods: ['certificate'],
        rule: { file: sandbox.path('policies/defaults.yaml'), line: 5, column: 3 },
      },
      place: { file: sandbox.path('policies/northwind.example.yaml'), line: 1, column: 10 },
    });
  });

  it('of a folder with an error says which', async () => {
    await sandbox.write('policies/broken.example.yaml', 'partner: broken.example\nbogus: 1\n');
    const { code, out, err } = await partner('list');
    await sandbox.write('policies/broken.example.yaml', '# nothing\npartner: broken.example\n');
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^error policy-invalid: unknown key `bogus` \(.*broken\.example\.yaml:2:1\)\n {2}→ /);
  });
});

describe('partner show', () => {
  it('puts the policy into words, each with its line', async () => {
    const { code, out } = await partner('show', 'chat.fabrikam.example');
    expect(code).toBe(0);
    const own = 'policies/fabrikam.example.yaml';
    const words = out.replaceAll(`${sandbox.dir}/`, '').replace(/ {2,}(?=policies)/g, ' @ ');
    expect(words).toBe(`fabrikam.example  (${own}:1:10)

Domains
  fabrikam.example @ ${own}:2:11
  every domain below fabrikam.example @ ${own}:2:29

Protocol
  XMPP or SIP, as DNS tells

Proof of identity
  certificate and dialback @ ${own}:3:10

Who sees whom: the first line that names the local user decides
  of the group executives: nothing: no presence, no subscription, no answer @ ${own}:6:5
  of everybody at contoso.example: online or not, away and busy, and the status text @ ${own}:7:5
  of everybody else: nothing (silence is no)

Messages
  only from us to them @ ${own}:8:13
  of at most 262144 bytes @ ${own}:8:1

Requests (IQ)
  ping @ ${own}:9:15
  urn:xmpp:mam:2 @ ${own}:9:21

Limits
  messages: 50 a second, 200 at once @ policies/defaults.yaml:8:3
  presence changes: 50 a second, 500 at once @ policies/defaults.yaml:9:3
  requests: 20 a second, 100 at once @ policies/defaults.yaml:10:3
  subscription requests: 30 a minute, 10 at once @ ${own}:11:3
  streams at a time: 20 @ policies/defaults.yaml:12:3
  contacts: 1000 @ policies/defaults.yaml:13:3

Calls
  none cross (silence is no)
`);
  });

  it('says in JSON what no line decides', async () => {
    const { out } = await partner('show', 'northwind.example', '--json');
    expect(JSON.parse(out)).toMatchObject({
      partner: 'northwind.example',
      policy: expect.arrayContaining([
        { title: 'Messages', clauses: [{ text: 'none cross (silence is no)', place: null }] },
        { title: 'Requests (IQ)', clauses: [{ text: 'ping, disco, version (by default)', place: null }] },
      ]),
    });
  });

  it('says what a trunk comes to, and which line says so', async () => {
    await sandbox.write(
      'policies/sip.example.yaml',
      `partner: sip.example
speaks: sip
trust: { accept: [certificate] }
trunk:
  hosts: ["sbc.sip.example:5061", "2001:db8::7", 192.0.2.9]
  addresses: [192.0.2.0/24]
  as: contoso.example
  ping: 90s
  credentials: { username: gateway, password: { env: SIP_PASSWORD } }
  receipts: imdn
`.replace('"2001:db8::7"', '"[2001:db8::7]"'),
    );
    const { out } = await partner('show', 'sip.example');
    const own = 'policies/sip.example.yaml';
    const words = out.replaceAll(`${sandbox.dir}/`, '').replace(/ {2,}(?=policies)/g, ' @ ');
    expect(words).toContain(`
Protocol
  SIP only @ ${own}:2:1

SIP trunk
  its servers: sbc.sip.example:5061, [2001:db8::7], 192.0.2.9 @ ${own}:5:3
  its connections come from 192.0.2.0/24 only @ ${own}:6:3
  we are contoso.example to it @ ${own}:7:3
  its certificate names sip.example itself: no wildcard counts (by default)
  asked whether it lives every 90 s @ ${own}:8:3
  asked for a password, we are gateway, with one from the environment @ ${own}:9:3
  a MESSAGE of at most 1300 bytes as a whole (by default)
  delivery receipts cross as IMDN (RFC 5438) @ ${own}:10:3
  messages to sips: addresses do not cross (by default)

Proof of identity
`);
    expect(out).not.toContain('SIP_PASSWORD');
  });

  it.each([
    ['speaks: sip', 'its servers: as DNS tells (RFC 3263) (by default)'],
    ['speaks: xmpp\ntrunk: { ping: 2min }', 'not taken: the partner speaks XMPP only'],
    ['trunk: { allowWildcardCertificate: true }', 'its certificate names p.example, or it by a wildcard'],
  ])('with %j says that %j', async (policy, said) => {
    await sandbox.write('policies/p.example.yaml', `partner: p.example\n${policy}\n`);
    const { out } = await partner('show', 'p.example', '--json');
    const trunk = JSON.parse(out).policy.find(({ title }: { title: string }) => title === 'SIP trunk');
    expect(trunk.clauses).toContainEqual(expect.objectContaining({ text: said }));
  });

  it('knows no stranger, and guesses who is meant', async () => {
    const { code, err } = await partner('show', 'fabrikan.example');
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error no-partner: No policy file names fabrikan\.example as a partner\. Did you mean fabrikam\.example\? \(.*gateway\.yaml:\d+:11\)\n {2}→ drawbridge partner add fabrikan\.example/,
    );
  });
});
