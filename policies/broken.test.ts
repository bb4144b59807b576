import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compilePartner } from './compile.ts';
import { readDocument } from './document.ts';
import { judge, type Question } from './judge.ts';
import type { PartnerPolicy } from './partner.ts';
import { ask } from './policy.fixture.ts';
import { partnerSchema, policyJsonSchema } from './schema.ts';
import { type ProofKind, suffices } from './trust.ts';

const sample = readFileSync(join(import.meta.dirname, 'examples/fabrikam.example.yaml'), 'utf8');

function compiled(text: string): PartnerPolicy | undefined {
  const reading = readDocument(text, 'p.yaml', partnerSchema);
  if ('findings' in reading) {
    expect(reading.findings.length).toBeGreaterThan(0);
    return undefined;
  }
  const result = compilePartner(reading, undefined);
  return 'partner' in result ? result.partner : undefined;
}

const questions: Question[] = (
  ['message', 'presence', 'subscription', 'iq', 'call', 'transfer', 'join'] as const
).flatMap((kind) =>
  (['inbound', 'outbound'] as const).flatMap((direction) =>
    ['ceo@contoso.example', 'cfo@contoso.example', 'alice@contoso.example', 'contoso.example'].flatMap((who) =>
      ['urn:xmpp:ping', 'jabber:iq:version', 'urn:other'].flatMap((namespace) =>
        [10, 300_000].map((bytes) => ask(kind, direction, { who, namespace, bytes })),
      ),
    ),
  ),
);
const proofs: ProofKind[] = ['certificate', 'dane', 'posh', 'dialback'];
const shown = ['nothing', 'availability', 'status', 'full'];

/** Everything `other` lets through, `intact` lets through as well, and shows at least as much of it. */
function expectNoMore(other: PartnerPolicy, intact: PartnerPolicy): void {
  for (const question of questions) {
    const verdict = judge(other, question);
    if (verdict.verdict === 'refuse') continue;
    const allowed = judge(intact, question);
    expect(allowed.verdict, JSON.stringify(question)).not.toBe('refuse');
    expect(shown.indexOf(verdict.show ?? 'nothing')).toBeLessThanOrEqual(shown.indexOf(allowed.show ?? 'nothing'));
  }
  for (const proof of proofs) {
    if (suffices(other.trust, new Set([proof]))) expect(suffices(intact.trust, new Set([proof]))).toBe(true);
  }
}

const intact = compiled(sample);
if (intact === undefined) throw new Error('the sample does not compile');

describe('a broken policy', () => {
  it('cut off anywhere allows nothing that the whole does not', () => {
    for (let end = 0; end < sample.length; end += 1) {
      const cut = compiled(sample.slice(0, end));
      if (cut !== undefined) expectNoMore(cut, intact);
    }
  });

  it('that lost a line allows nothing that the whole does not, save where the lost line said no', () => {
    const lines = sample.split('\n');
    const saidNo = lines.findIndex((line) => line.includes('show: nothing'));
    lines.forEach((_line, lost) => {
      const rest = compiled(lines.toSpliced(lost, 1).join('\n'));
      if (rest !== undefined && lost !== saidNo) expectNoMore(rest, intact);
    });
  });

  it('with a misspelt word is refused or allows nothing that the whole does not', () => {
    const words = [...sample.matchAll(/[a-z]{3,}/gi)].filter(
      ({ index }) => !sample.slice(sample.lastIndexOf('\n', index), index).includes('#'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...words), fc.stringMatching(/^[b-dkvxz]$/), (word, letter) => {
        const at = word.index + 1;
        const misspelt = compiled(sample.slice(0, at) + letter + sample.slice(at));
        // Another name of a user, a group or the partner is as good a name as the first.
        if (misspelt === undefined || /executives|ceo|cfo|contoso|fabrikam|example/.test(word[0])) return;
        expectNoMore(misspelt, intact);
      }),
      { numRuns: 300 },
    );
  });

  it('never throws, whatever was done to it', () => {
    const edit = fc.record({
      at: fc.nat(sample.length),
      drop: fc.nat(20),
      put: fc.oneof(fc.string(), fc.constantFrom('\n', '  ', '- ', '{', '}', '[', ']', ': ', '*', '&a ', '"')),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), (edits) => {
        const mutated = edits.reduce(
          (text, { at, drop, put }) => text.slice(0, at) + put + text.slice(at + drop),
          sample,
        );
        const policy = compiled(mutated);
        if (policy !== undefined) for (const question of questions) expect(judge(policy, question).reason).toBeTruthy();
      }),
      { numRuns: 300 },
    );
  });

  it.each(['', ' ', '\n', '#', '{}', '[]', 'null', '---', '...', 'partner', 'partner:', '*', '\ufeff', '\u0000'])(
    '%j is none',
    (text) => {
      expect(compiled(text)).toBeUndefined();
    },
  );
});

describe('the JSON Schema for editors', () => {
  const validator = z.fromJSONSchema(policyJsonSchema() as z.core.JSONSchema.JSONSchema);
  const raw = readDocument(sample, 'p.yaml', z.unknown());
  if ('findings' in raw) throw new Error('the sample is no YAML');

  it('accepts the sample', () => {
    expect(validator.safeParse(raw.value).error?.issues).toBeUndefined();
  });

  it.each([
    ['an unknown key', { extra: 1 }],
    ['a wrong word', { speaks: 'smtp' }],
    ['a wrong type', { presence: {} }],
  ])('refuses %s', (_what, more) => {
    expect(validator.safeParse({ ...(raw.value as object), ...more }).success).toBe(false);
  });
});
