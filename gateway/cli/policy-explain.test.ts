import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { called, Sandbox, spawned } from './cli.fixture.ts';

let sandbox: Sandbox;
let file: string;
beforeAll(async () => {
  sandbox = await Sandbox.create();
  file = sandbox.path('policies/fabrikam.example.yaml');
  await sandbox.write(
    'policies/fabrikam.example.yaml',
    `partner: fabrikam.example
presence:
  - { local: ceo@contoso.example, show: nothing }
  - { local: "*", show: availability }
messages:
  allow: inbound
  maxBytes: 1000
`,
  );
});
afterAll(() => sandbox.remove());

const explain = (text: string, ...more: string[]) =>
  called('policy', 'explain', '-c', sandbox.path('gateway.yaml'), ...text.split(' '), ...more);

describe('policy explain', () => {
  it.each([
    ['--kind message --from bob@fabrikam.example --to alice@contoso.example', 0, 'allow', 'allowed', 6],
    [
      '--kind message --from bob@fabrikam.example --to alice@contoso.example --bytes 1001',
      1,
      'refuse',
      'message-too-big',
      7,
    ],
    ['--kind message --from alice@contoso.example --to bob@fabrikam.example', 1, 'refuse', 'direction-denied', 6],
    [
      '--kind presence --from alice@contoso.example/phone --to bob@fabrikam.example',
      0,
      'reshape',
      'presence-reduced',
      4,
    ],
    ['--kind subscription --from bob@fabrikam.example --to ceo@contoso.example', 1, 'refuse', 'presence-hidden', 3],
    ['--kind iq --from alice@contoso.example --to fabrikam.example', 0, 'allow', 'allowed', undefined],
    [
      '--kind iq --from alice@contoso.example --to fabrikam.example --namespace version',
      0,
      'allow',
      'allowed',
      undefined,
    ],
    [
      '--kind iq --from alice@contoso.example --to fabrikam.example --namespace urn:x',
      1,
      'refuse',
      'iq-namespace-denied',
      undefined,
    ],
    [
      '--kind message --from x@stranger.example --to alice@conference.contoso.example',
      1,
      'refuse',
      'no-partner',
      undefined,
    ],
    [
      '--kind call --from bob@fabrikam.example --to alice@contoso.example --via sip --at 2030-01-31T09:30:00Z',
      1,
      'refuse',
      'policy-silent',
      undefined,
    ],
    [
      '--kind message --from bob@fabrikam.example --to a@b.example --direction inbound',
      1,
      'refuse',
      'domain-not-home',
      undefined,
    ],
  ])('%s', async (question, code, verdict, reason, line) => {
    const outcome = await explain(question, '--json');
    expect([outcome.code, outcome.err]).toEqual([code, '']);
    const answer = JSON.parse(outcome.out);
    expect(Object.keys(answer)).toEqual(['verdict', 'reason', 'rule', 'considered']);
    expect(answer).toMatchObject({ verdict, reason, rule: line === undefined ? null : { file, line } });
  });

  it('lists what was considered', async () => {
    const { out } = await explain('--kind presence --from alice@contoso.example --to bob@fabrikam.example', '--json');
    expect(JSON.parse(out).considered).toEqual([
      {
        file,
        line: 3,
        rule: '{ local: ceo@contoso.example, show: nothing }',
        matched: false,
        why: 'ceo@contoso.example does not mean alice@contoso.example',
      },
      {
        file,
        line: 4,
        rule: '{ local: "*", show: availability }',
        matched: true,
        why: '"*" means alice@contoso.example',
      },
    ]);
  });

  it('tells people the verdict, why, and the line as written', async () => {
    const args = ['--kind', 'message', '--from', 'alice@contoso.example', '--to', 'bob@fabrikam.example'];
    const { code, out, err } = await spawned(['policy', 'explain', ...args], sandbox.dir);
    expect([code, err]).toEqual([1, '']);
    expect(out).toBe(`refuse (direction-denied)  outbound message, alice@contoso.example → bob@fabrikam.example
The policy does not allow this direction.
decided by: policies/fabrikam.example.yaml:6  allow: inbound
considered:
  ✗ policies/fabrikam.example.yaml:5  messages: allow: inbound maxBytes: 1000
      messages may cross inbound only, this one is outbound
`);
  });

  it.each([
    ['--kind message --from a@b.example --to c@d.example', 'Neither of b.example and d.example is a home domain'],
    ['--kind message --from a@contoso.example --to c@contoso.example', 'are both home domains'],
    ['--kind mesage --from a@b.example --to c@d.example', 'Allowed choices are message, presence'],
    ['--kind message --from @ --to c@d.example', 'An address is `user@domain` or `domain`.'],
    ['--kind message --from a@b.example --to c@d.example --at noon', 'A time is written'],
    ['--kind message --from a@b.example --to c@d.example --bytes 1k', 'A size is a whole number of bytes.'],
  ])('%s is wrong use', async (question, said) => {
    const { code, out, err } = await explain(question);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
  });

  it('does not guess on policies that have an error', async () => {
    await sandbox.write('policies/northwind.example.yaml', 'partner: northwind.example\nmesages: {}\npresnce: []\n');
    const question = '--kind message --from bob@fabrikam.example --to alice@contoso.example';
    const { code, err } = await explain(question);
    const { error } = JSON.parse((await explain(question, '--json')).out);
    const lint = await called('policy', 'lint', '-c', sandbox.path('gateway.yaml'));
    await sandbox.write('policies/northwind.example.yaml', '# nothing\npartner: northwind.example\n');
    expect([code, lint.code]).toEqual([1, 1]);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^unknown key `mesages`.* \(and 1 more\)$/),
      findings: [{ place: { line: 2 } }, { place: { line: 3 } }],
    });
    expect(err).toMatch(
      /^error policy-invalid: unknown key `mesages`.*northwind\.example\.yaml:2:1\)\n {2}→ .*\nerror policy-invalid: unknown key `presnce`.*yaml:3:1\)\n {2}→ /,
    );
    expect(lint.out).toMatch(/^error {4}policies {7}unknown key `mesages`.*northwind\.example\.yaml:2:1\) → keys here/);
  });
});

describe('policy schema', () => {
  it.each([
    [[], 'partner', 'listen'],
    [['--defaults'], 'messages', 'partner'],
    [['--gateway'], 'edges', 'partner'],
  ])('%j', async (options, present, absent) => {
    const { code, out } = await called('policy', 'schema', ...options, '--json');
    expect(code).toBe(0);
    const schema = JSON.parse(out);
    expect(schema).toMatchObject({ $schema: expect.stringContaining('2020-12'), additionalProperties: false });
    expect(schema.properties).toHaveProperty(present);
    expect(schema.properties).not.toHaveProperty(absent);
  });
});
