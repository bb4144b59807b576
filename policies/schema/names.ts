import { z } from 'zod';
import { foldDomain } from '../address.ts';
import { GROUP_NAME, parseSelector, type Selector } from '../selector.ts';
import { type Measured, through } from '../units.ts';

/** A domain of a partner: one domain, or with `*.` in front every domain below it, at any depth. */
export interface DomainPattern {
  /** Folded, without the `*.`. */
  readonly domain: string;
  readonly wildcard: boolean;
}

const domainText = z.string().min(1).max(1024);

/** One domain, folded. */
export const domain = domainText.transform(through(readDomain)).meta({ title: 'domain' });

/** A {@link DomainPattern}. */
export const domainPattern = domainText.transform(through(readPattern)).meta({ title: 'domain or *.domain' });

/** Local users: a {@link Selector}. */
export const localSelector = z
  .string()
  .min(1)
  .max(4096)
  .transform(through(parseSelector))
  .meta({
    title: 'local users',
    examples: ['*', 'user@contoso.example', '*@contoso.example', 'contoso.example', 'group:executives'],
  });

/** Local users, without groups: what a group is made of. */
export const groupMember = z
  .string()
  .min(1)
  .max(4096)
  .transform(through(readMember))
  .meta({
    title: 'local users',
    examples: ['user@contoso.example', '*@contoso.example'],
  });

/** Most members a group lists in a file. */
const MEMBERS = 10_000;

export const groups = z
  .record(
    z.string().regex(GROUP_NAME, 'use letters, digits, dots, dashes and underscores, at most 64'),
    z.array(groupMember).max(MEMBERS).describe('The members of the group.'),
  )
  .describe(
    'Named sets of local users for `group:name` in rules: a list of `user@domain`, `*@domain` or `domain` each. ' +
      'Groups of defaults.yaml hold here too; one of the same name replaces it.',
  );

function readDomain(text: string): Measured<string> {
  const folded = foldDomain(text);
  if (folded !== undefined) return { value: folded };
  return { problem: `\`${text}\` is no domain`, remedy: 'write a domain such as `fabrikam.example`' };
}

function readPattern(text: string): Measured<DomainPattern> {
  const wildcard = text.startsWith('*.');
  const named = wildcard ? text.slice(2) : text;
  const folded = named.includes('*') ? undefined : foldDomain(named);
  if (folded !== undefined) return { value: { domain: folded, wildcard } };
  const remedy = 'write `fabrikam.example`, or `*.fabrikam.example` for every domain below it';
  return { problem: `\`${text}\` is no domain`, remedy };
}

function readMember(text: string): Measured<Selector> {
  const read = parseSelector(text);
  if (!('value' in read) || read.value.kind !== 'group') return read;
  return { problem: 'a group has no groups in it', remedy: 'list the members themselves' };
}
