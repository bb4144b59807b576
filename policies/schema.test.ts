import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { readDocument } from './document.ts';
import { findingText } from './finding.ts';
import { defaultsJsonSchema, defaultsSchema, partnerSchema, policyJsonSchema } from './schema.ts';

function firstFinding(text: string, schema: z.ZodType = partnerSchema): string | undefined {
  const reading = readDocument(text, 'p.yaml', schema);
  return 'findings' in reading ? reading.findings.map(findingText)[0] : undefined;
}

describe('a policy file', () => {
  it.each([
    ['partner', 'partner: a b', '1:10: error: `a b` is no domain'],
    ['domains', 'partner: a.example\ndomains: ["*.*.example"]', '2:11: error: `*.*.example` is no domain'],
    ['domains', 'partner: a.example\ndomains: []', '2:10: error: needs at least 1 entry'],
    [
      'speaks',
      'partner: a.example\nspeaks: xmp',
      '2:9: error: `xmp` is not one of: xmpp, sip, auto (did you mean `xmpp`?)',
    ],
    [
      'trust',
      'partner: a.example\ntrust: { accept: [certificates] }',
      '2:19: error: `certificates` is not one of: certificate, dane',
    ],
    ['trust', 'partner: a.example\ntrust: { accept: { all: [] } }', '2:25: error: needs at least 1 entry'],
    ['trust', 'partner: a.example\ntrust: { accept: [] }', '2:18: error: needs at least 1 entry'],
    ['trust', 'partner: a.example\ntrust: { accept: certificate }', '2:18: error: expected a list of proofs or'],
    ['groups', 'partner: a.example\ngroups: { x: ["group:y"] }', '2:15: error: a group has no groups in it'],
    [
      'presence',
      'partner: a.example\npresence: [{ local: "*", show: avail }]',
      '2:32: error: `avail` is not one of: availability',
    ],
    [
      'presence',
      'partner: a.example\npresence: [{ local: "a@b.example/c", show: full }]',
      '2:21: error: `a@b.example/c` names a resource',
    ],
    ['messages', 'partner: a.example\nmessages: { maxBytes: 5 }', '2:11: error: the key `allow` is missing'],
    [
      'messages',
      'partner: a.example\nmessages: { allow: both, maxBytes: 17MiB }',
      '2:36: error: `17MiB` is beyond what is allowed here',
    ],
    ['iq', 'partner: a.example\niq: { allow: [pong] }', '2:15: error: `pong` is no namespace: did you mean `ping`?'],
    ['iq', 'partner: a.example\niq: { allow: ["*"] }', '2:15: error: `*` is no namespace'],
    ['limits', 'partner: a.example\nlimits: { messages: 50/s }', '2:21: error: expected a map of keys, found `50/s`'],
    ['limits', 'partner: a.example\nlimits: { messages: { burst: 5 } }', '2:21: error: the key `rate` is missing'],
    [
      'limits',
      'partner: a.example\nlimits: { message: 1 }',
      '2:11: error: unknown key `message`: did you mean `messages`?',
    ],
    ['trunk', 'partner: a.example\ntrunk: { hosts: ["a:b:c"] }', '2:18: error: `a:b:c` is no SIP server'],
    ['trunk', 'partner: a.example\ntrunk: { hosts: ["[::1]:0"] }', '2:18: error: `[::1]:0` is no SIP server'],
    ['trunk', 'partner: a.example\ntrunk: { addresses: [192.0.2.0/33] }', '2:22: error: `192.0.2.0/33` is no network'],
    ['trunk', 'partner: a.example\ntrunk: { addresses: ["::g"] }', '2:22: error: `::g` is no network'],
    [
      'trunk',
      'partner: a.example\ntrunk: { credentials: { username: u, password: hunter2 } }',
      '2:48: error: expected `{ env: NAME }` or `{ file: path }`',
    ],
    [
      'calls',
      'partner: a.example\ncalls: { allow: both, destinations: [{ countries: [DE] }] }',
      '2:38: error: a rule says either `allow` or `deny`',
    ],
    [
      'calls',
      'partner: a.example\ncalls: { allow: both, outside: { hours: Sat, tz: Europe/Berln, limits: {} } }',
      '2:50: error: `Europe/Berln` is no time zone',
    ],
    [
      'numbers',
      'partner: a.example\nnumbers: [{ e164: "030", address: a@b.example }]',
      '2:19: error: a number is written',
    ],
  ])('%s: %s', (_section, text, expected) => {
    expect(firstFinding(text)).toContain(expected);
  });

  it('of a partner may have what is no default', () => {
    expect(firstFinding('partner: a.example\nnumbers: []')).toBeUndefined();
    expect(firstFinding('partner: a.example', defaultsSchema)).toContain('unknown key `partner`');
    expect(firstFinding('numbers: []', defaultsSchema)).toContain('unknown key `numbers`');
  });

  it('may list namespaces that are no URI', () => {
    expect(firstFinding('partner: a.example\niq: { allow: [vcard-temp, "jabber:iq:last"] }')).toBeUndefined();
  });
});

describe('the JSON Schema for editors', () => {
  interface Described {
    readonly description?: string;
    readonly properties?: Record<string, Described>;
    readonly items?: Described;
  }
  const undescribed = (schema: Described, path: string): string[] =>
    Object.entries(schema.properties ?? {}).flatMap(([key, property]) => [
      ...(property.description === undefined ? [`${path}${key}`] : []),
      ...undescribed(property, `${path}${key}.`),
      ...undescribed(property.items ?? {}, `${path}${key}[].`),
    ]);

  it.each([
    ['a partner', policyJsonSchema()],
    ['the defaults', defaultsJsonSchema()],
  ])('of %s describes every key and forbids every other', (_what, schema) => {
    expect(schema.additionalProperties).toBe(false);
    expect(undescribed(schema as Described, '')).toEqual([]);
  });
});
