import { describe, expect, it } from 'vitest';
import { findingText } from './finding.ts';
import { lintPolicies } from './lint.ts';
import { policyOf } from './policy.fixture.ts';
import { PolicySet } from './set.ts';

const head = 'partner: a.example\ntrust: { accept: [certificate] }\n';

function lint(...texts: (string | [string, string])[]): string[] {
  const partners = texts.map((text) => (typeof text === 'string' ? policyOf(text) : policyOf(...text)));
  return lintPolicies(new PolicySet(partners), { stanzaBytes: 524_288 }).map(findingText);
}

describe('lint warns', () => {
  it.each([
    ['of a partner that nothing proves', 'partner: a.example', 'partner.yaml:1:10: warning: nothing proves a.example'],
    [
      'of a rule behind a star',
      `${head}presence:\n  - { local: "*", show: full }\n  - { local: "a@x.example", show: nothing }`,
      'partner.yaml:5:5: warning: this rule never decides: whom "a@x.example" means, line 4 ("*") decides',
    ],
    [
      'of a rule behind its domain',
      `${head}presence:\n  - { local: "*@x.example", show: full }\n  - { local: "a@x.example", show: nothing }`,
      'partner.yaml:5:5: warning: this rule never decides',
    ],
    [
      'of a rule that stands twice',
      `${head}presence:\n  - { local: x.example, show: full }\n  - { local: X.example, show: full }`,
      'partner.yaml:5:5: warning: this rule never decides',
    ],
    [
      'of a group behind rules for each of its members',
      `${head}groups: { g: [a@x.example, b@x.example] }\npresence:\n  - { local: "a@x.example", show: full }\n  - { local: "b@x.example", show: full }\n  - { local: "group:g", show: nothing }`,
      'partner.yaml:7:5: warning: this rule never decides: whom "group:g" means, rules above decide',
    ],
    [
      'of a group without use',
      `${head}groups: { g: [a@x.example] }`,
      'partner.yaml:3:11: warning: no rule names the group `g`',
    ],
    [
      'of a group without members',
      `${head}groups: { g: [] }\npresence: [{ local: "group:g", show: full }]`,
      'partner.yaml:3:11: warning: the group `g` has no members',
    ],
    [
      'of messages larger than a stanza may be',
      `${head}messages: { allow: both, maxBytes: 1MiB }`,
      'partner.yaml:3:26: warning: maxBytes is 1048576, but no stream carries a stanza above 524288 bytes',
    ],
  ])('%s', (_what, text, expected) => {
    expect(lint(text)).toEqual([expect.stringContaining(expected)]);
  });

  it('once of what several partners inherit', () => {
    const defaults =
      'trust: { accept: [dane] }\ngroups: { g: [a@x.example], h: [b@x.example] }\npresence: [{ local: "*", show: full }, { local: "group:h", show: full }]';
    expect(lint(['partner: a.example', defaults], ['partner: b.example', defaults])).toEqual([
      expect.stringContaining('defaults.yaml:2:11: warning: no rule names the group `g`'),
      expect.stringContaining('defaults.yaml:3:40: warning: this rule never decides'),
    ]);
  });
});

describe('lint is silent', () => {
  it.each([
    [
      'of narrow rules above broad ones',
      `${head}presence:\n  - { local: "a@x.example", show: full }\n  - { local: "*@x.example", show: full }\n  - { local: "*", show: full }`,
    ],
    [
      "of a domain's own address behind its users",
      `${head}presence:\n  - { local: "*@x.example", show: full }\n  - { local: x.example, show: full }`,
    ],
    ['of a group that is used', `${head}groups: { g: [a@x.example] }\npresence: [{ local: "group:g", show: full }]`],
  ])('%s', (_what, text) => {
    expect(lint(text)).toEqual([]);
  });

  it('of a default group that one partner of many uses', () => {
    const defaults = 'trust: { accept: [dane] }\ngroups: { g: [a@x.example] }';
    const user = 'partner: b.example\npresence: [{ local: "group:g", show: full }]';
    expect(lint(['partner: a.example', defaults], [user, defaults])).toEqual([]);
  });
});
