import { type Address, parseAddress } from './address.ts';
import { compilePartner } from './compile.ts';
import { readDocument } from './document.ts';
import { findingText } from './finding.ts';
import type { PartnerPolicy } from './partner.ts';
import { defaultsSchema, partnerSchema } from './schema.ts';
import type { Direction, Kind, Question } from './verdict.ts';

/** Compiles the text of a partner's file for a test; throws where it has an error. */
export function policyOf(text: string, defaultsText?: string): PartnerPolicy {
  const own = readDocument(text, 'partner.yaml', partnerSchema);
  const defaults = defaultsText === undefined ? undefined : readDocument(defaultsText, 'defaults.yaml', defaultsSchema);
  for (const reading of [own, defaults]) {
    if (reading !== undefined && 'findings' in reading) throw new Error(reading.findings.map(findingText).join('\n'));
  }
  if ('findings' in own || (defaults !== undefined && 'findings' in defaults)) throw new Error('unreachable');
  const compiled = compilePartner(own, defaults);
  if ('findings' in compiled) throw new Error(compiled.findings.map(findingText).join('\n'));
  return compiled.partner;
}

/** A question of a test: between a local and a partner user, over XMPP. */
export function ask(
  kind: Kind,
  direction: Direction,
  more: Partial<Question> & { readonly who?: string } = {},
): Question {
  const { who = 'alice@contoso.example', ...rest } = more;
  return { kind, direction, via: 'xmpp', local: address(who), remote: address('bob@fabrikam.example'), at: 0, ...rest };
}

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}
