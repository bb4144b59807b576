import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findingText } from './finding.ts';
import { loadPolicies } from './folder.ts';
import { judge } from './judge.ts';
import { lintPolicies } from './lint.ts';
import { ask } from './policy.fixture.ts';

const examples = join(import.meta.dirname, 'examples');
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'policies-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function load(files: Readonly<Record<string, string | Uint8Array>>) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  const { set, findings } = await loadPolicies(dir);
  return { set, findings: findings.map((finding) => findingText(finding).replaceAll(`${dir}/`, '')) };
}

describe('the example policies', () => {
  it('load without a finding, and lint has nothing to say', async () => {
    const { set, findings } = await loadPolicies(examples);
    expect(findings).toEqual([]);
    expect(set?.partners.map((partner) => partner.name)).toEqual(['fabrikam.example', 'northwind.example']);
    expect(set && lintPolicies(set, { stanzaBytes: 524_288 })).toEqual([]);
  });

  it('are compiled as they read', async () => {
    const { set } = await loadPolicies(examples);
    const fabrikam = set?.partnerOf('chat.fabrikam.example');
    expect(fabrikam).toMatchObject({
      name: 'fabrikam.example',
      exactDomains: ['fabrikam.example'],
      wildcardDomains: ['fabrikam.example'],
      speaks: 'xmpp',
      trust: { mode: 'any', methods: ['certificate', 'dane', 'dialback'] },
      limits: {
        messages: { count: 50, periodMs: 1_000, burst: 200 },
        presence: { count: 50, burst: 500 },
        subscriptions: { count: 30, periodMs: 60_000, burst: 10 },
        connections: 20,
        contacts: 1_000,
      },
      calls: {
        transfer: { reason: 'transfer-denied' },
        redirect: { reason: 'redirect-denied' },
        limits: { concurrent: 30, userConcurrent: 2, userPerMinute: 10, longest: 14_400_000 },
      },
      numbers: [{ e164: '+49301234*', address: { kind: 'users', domain: 'contoso.example' } }],
    });
    expect(judge(fabrikam, ask('presence', 'outbound', { who: 'ceo@contoso.example' })).rule).toEqual({
      file: join(examples, 'fabrikam.example.yaml'),
      line: 8,
      column: 5,
    });
  });
});

describe('what the partner does not say, the defaults say', () => {
  it('section by section; groups and limits key by key', async () => {
    const { set, findings } = await load({
      'defaults.yaml': `groups: { staff: ["*@x.example"], board: [b@x.example] }
presence: [{ local: "group:staff", show: full }]
messages: { allow: inbound, maxBytes: 10 }
iq: { allow: [ping] }
limits: { messages: { rate: 1/s }, connections: 3, contacts: 7 }
`,
      'a.yaml': 'partner: a.example\n',
      'b.yml': `partner: b.example
groups: { staff: [s@x.example] }
messages: { allow: both }
limits: { messages: { rate: 50/s }, iq: { rate: 30/min, burst: 4 } }
`,
    });
    expect(findings).toEqual([]);
    const a = set?.partnerOf('a.example');
    const b = set?.partnerOf('b.example');
    expect(a?.limits).toMatchObject({ messages: { count: 1, burst: 10 }, iq: undefined, connections: 3, contacts: 7 });
    expect(b?.limits).toMatchObject({
      messages: { count: 50, burst: 50 },
      iq: { burst: 4 },
      connections: 3,
      contacts: 7,
    });
    expect(b?.limits.rules).toMatchObject({
      messages: { file: join(dir, 'b.yml'), line: 4 },
      contacts: { file: join(dir, 'defaults.yaml'), line: 5 },
    });
    expect(a?.messages).toMatchObject({ allow: 'inbound', maxBytes: 10 });
    expect(b?.messages).toMatchObject({ allow: 'both', maxBytes: 262_144 });
    const staff = ask('presence', 'outbound', { who: 'any@x.example' });
    expect(judge(a, staff)).toMatchObject({ verdict: 'allow', rule: { file: join(dir, 'defaults.yaml'), line: 2 } });
    expect(judge(b, staff).reason).toBe('policy-silent');
    expect(judge(a, ask('iq', 'outbound', { namespace: 'jabber:iq:version' })).reason).toBe('iq-namespace-denied');
  });

  it('and defaults of comments alone say nothing', async () => {
    const { set, findings } = await load({ 'defaults.yaml': '# later\n', 'a.yaml': 'partner: a.example' });
    expect(findings).toEqual([]);
    expect(set?.partnerOf('a.example')?.limits.connections).toBe(20);
  });
});

describe('a folder is refused as a whole where it holds', () => {
  it.each<[string, Record<string, string | Uint8Array>, string]>([
    [
      'one domain of two partners',
      { 'a.yaml': 'partner: a.example', 'b.yaml': 'partner: b.example\ndomains: [b.example, A.example]' },
      'b.yaml:2:22: error: a.example is claimed by another partner already, at a.yaml:1',
    ],
    [
      'one wildcard of two partners',
      {
        'a.yaml': 'partner: a.example\ndomains: [a.example, "*.x.example"]',
        'b.yaml': 'partner: b.example\ndomains: [b.example, "*.x.example"]',
      },
      'b.yaml:2:22: error: *.x.example is claimed by another partner already, at a.yaml:2',
    ],
    [
      'a partner outside its domains',
      { 'a.yaml': 'partner: a.example\ndomains: [b.example]' },
      "a.yaml:2:10: error: the partner's own domain a.example is not among its domains",
    ],
    [
      'a group that does not exist',
      { 'a.yaml': 'partner: a.example\ngroups: { staff: [] }\npresence: [{ local: "group:staf", show: full }]' },
      'a.yaml:3:21: error: no group is called `staf`: did you mean `staff`?',
    ],
    ['an empty partner file', { 'a.yaml': '' }, 'a.yaml:1:1: error: expected a map of keys, found nothing'],
    [
      'a file that is no text',
      { 'a.yaml': Uint8Array.of(0xff, 0xfe, 0x00) },
      'a.yaml:1:1: error: the file is not UTF-8 text',
    ],
    [
      'a file above 1 MiB',
      { 'a.yaml': `# ${'x'.repeat(1_048_576)}` },
      'a.yaml:1:1: error: the file is larger than 1048576 bytes',
    ],
    [
      'broken defaults',
      { 'defaults.yaml': 'messages: [', 'a.yaml': 'partner: a.example' },
      'defaults.yaml:1:12: error: not YAML',
    ],
    [
      'defaults twice',
      { 'defaults.yaml': '', 'defaults.yml': '' },
      'defaults.yml:1:1: error: the defaults stand in two files',
    ],
    [
      'a mistake in the defaults, said once',
      {
        'defaults.yaml': 'presence: [{ local: "group:x", show: full }]',
        'a.yaml': 'partner: a.example',
        'b.yaml': 'partner: b.example',
      },
      'defaults.yaml:1:21: error: no group is called `x`',
    ],
  ])('%s', async (_what, files, expected) => {
    const { set, findings } = await load(files);
    expect(set).toBeUndefined();
    expect(findings).toEqual([expect.stringContaining(expected)]);
  });

  it('several mistakes, all said, by place', async () => {
    const { findings } = await load({ 'b.yaml': 'partner: b.example\nx: 1\ny: 1', 'a.yaml': 'partner: [' });
    expect(findings.map((finding) => finding.split(': ')[0])).toEqual(['a.yaml:1:11', 'b.yaml:2:1', 'b.yaml:3:1']);
  });

  it('something that is no regular file', async () => {
    execFileSync('mkfifo', [join(dir, 'pipe.yaml')]);
    const { set, findings } = await load({});
    expect(set).toBeUndefined();
    expect(findings).toEqual([expect.stringContaining('pipe.yaml:1:1: error: this is no regular file')]);
  });

  it('nothing, because it does not exist', async () => {
    const { set, findings } = await loadPolicies(join(dir, 'absent'));
    expect(set).toBeUndefined();
    expect(findings).toMatchObject([{ severity: 'error', place: { file: join(dir, 'absent') } }]);
  });
});

describe('a folder', () => {
  it('may hold other files, hidden files and folders, which are left alone', async () => {
    const { set, findings } = await load({
      'a.yaml': 'partner: a.example',
      'README.md': '[',
      '.b.yaml': '[',
      'a.yaml~': '[',
      'old/c.yaml': '[',
    });
    expect(findings).toEqual([]);
    expect(set?.partners).toHaveLength(1);
  });

  it('may hold links to files, as mounted configuration does', async () => {
    await writeFile(join(dir, '..data'), 'partner: a.example');
    await symlink('..data', join(dir, 'a.yaml'));
    expect((await load({})).set?.partnerOf('a.example')?.name).toBe('a.example');
  });

  it('may be empty: then nothing crosses', async () => {
    const { set, findings } = await load({});
    expect(findings).toEqual([]);
    expect(set?.partnerOf('a.example')).toBeUndefined();
  });
});
