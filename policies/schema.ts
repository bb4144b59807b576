import { z } from 'zod';
import { calls, numbers } from './schema/calls.ts';
import { limits } from './schema/limits.ts';
import { domain, domainPattern, groups } from './schema/names.ts';
import { iq, messages, presence } from './schema/traffic.ts';
import { trunk } from './schema/trunk.ts';
import { trust } from './schema/trust.ts';

const sections = {
  speaks: z
    .enum(['xmpp', 'sip', 'auto'])
    .optional()
    .describe('The protocol of the partner; `auto` lets DNS tell. Without this key `auto`.'),
  trust: trust.optional(),
  groups: groups.optional(),
  presence: presence.optional(),
  messages: messages.optional(),
  iq: iq.optional(),
  limits: limits.optional(),
  calls: calls.optional(),
};

/** policies/defaults.yaml: what holds for every partner whose own file does not say otherwise, section by section. */
export const defaultsSchema = z
  .strictObject(sections)
  .describe('What holds for every partner whose own file does not say otherwise, section by section.');

/** Most domains of one partner. */
const DOMAINS = 10_000;

/** A partner's policy file. */
export const partnerSchema = z
  .strictObject({
    partner: domain.describe('The partner, named by its main domain.'),
    domains: z
      .array(domainPattern)
      .min(1)
      .max(DOMAINS)
      .optional()
      .describe(
        'The domains that are the partner: `fabrikam.example`, or `*.fabrikam.example` for every domain below it. ' +
          'Without this key the domain that names the partner.',
      ),
    ...sections,
    trunk: trunk.optional(),
    numbers: numbers.optional(),
  })
  .describe('One partner: what it may do, over every protocol.');

/** A partner's file as read; durations in ms, sizes in bytes. */
export type PartnerDraft = z.output<typeof partnerSchema>;
/** defaults.yaml as read. */
export type DefaultsDraft = z.output<typeof defaultsSchema>;

/** JSON Schema (2020-12) of a partner's policy file, for editors. */
export function policyJsonSchema(): Record<string, unknown> {
  return jsonSchema(partnerSchema);
}

/** JSON Schema (2020-12) of defaults.yaml, for editors. */
export function defaultsJsonSchema(): Record<string, unknown> {
  return jsonSchema(defaultsSchema);
}

function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>;
}
