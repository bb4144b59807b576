import { z } from 'zod';
import { duration, type Measured, money, through } from '../units.ts';
import { groupMember } from './names.ts';
import { directions } from './traffic.ts';

/** Kinds of telephone numbers. */
export const numberKinds = [
  'mobile',
  'fixed',
  'toll-free',
  'shared-cost',
  'premium',
  'voip',
  'personal',
  'pager',
  'uan',
  'voicemail',
  'satellite',
  'unallocated',
] as const;
export type NumberKind = (typeof numberKinds)[number];

const countries = z.array(z.string().regex(/^[A-Z]{2}$/, 'a country is two capital letters, such as `DE`')).max(300);
const kinds = z.array(z.enum(numberKinds)).min(1);
const count = z.int().min(0).max(1_000_000);

const destination = z
  .strictObject({
    allow: kinds.optional().describe('Kinds of numbers that may be called.'),
    deny: kinds.optional().describe('Kinds of numbers that may not be called.'),
    countries: countries.optional().describe('The rule holds for these countries only (ISO 3166, two letters).'),
  })
  .refine((rule) => (rule.allow === undefined) !== (rule.deny === undefined), 'a rule says either `allow` or `deny`');

const perUser = z
  .strictObject({
    concurrent: count.optional().describe('Calls of one user at a time.'),
    perMinute: count.optional().describe('Calls one user may start in a minute.'),
    minutesPerDay: count.optional().describe('Minutes one user may talk in a day.'),
    spendPerDay: money.optional().describe('What one user may spend in a day.'),
  })
  .describe('Limits of each user of the partner.');

const callLimits = z
  .strictObject({
    concurrent: count.optional().describe('Calls of the partner at a time. Without this key 2,000.'),
    perUser: perUser.optional(),
    longest: duration('1s', '7d').optional().describe('The longest call.'),
  })
  .describe('Limits of calls.');

export const calls = z
  .strictObject({
    allow: z.enum(directions).describe('Which way calls may go; inbound is from the partner to us.'),
    destinations: z
      .array(destination)
      .max(1_000)
      .optional()
      .describe("E.164 numbers this partner's users may reach through us; silence is no."),
    limits: callLimits.optional(),
    outside: z
      .strictObject({
        hours: z.string().min(1).max(200).describe('When this holds, e.g. `18:00-07:00 Mon-Fri, Sat, Sun`.'),
        tz: z.string().transform(through(readZone)).meta({ title: 'time zone' }).describe('The time zone of `hours`.'),
        limits: callLimits,
      })
      .optional()
      .describe('Other limits outside office hours.'),
    transfers: z
      .enum(['allow', 'deny'])
      .default('deny')
      .describe(
        "Whether the partner's users may transfer calls (REFER); the new target is judged as a call of theirs.",
      ),
    redirects: z
      .enum(['allow', 'deny'])
      .default('deny')
      .describe('Whether a redirection (3xx) is followed; the new target is judged as a call of its own.'),
  })
  .describe(
    'Calls between the partner and a local PBX. Minutes, spending and `outside` are checked and kept, and not acted on yet.',
  );

export const numbers = z
  .array(
    z.strictObject({
      e164: z
        .string()
        .regex(/^\+[1-9]\d{0,14}\*?$/, 'a number is written `+493012345`, or `+49301234*` for all that begin so')
        .describe('A number, or with `*` at its end every number that begins so.'),
      address: groupMember.describe('The local user of the number.'),
    }),
  )
  .max(10_000)
  .describe('Which local user a telephone number means, when it is called.');

function readZone(text: string): Measured<string> {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return { value: text };
  } catch {
    return {
      problem: `\`${text}\` is no time zone`,
      remedy: 'write a zone of the tz database, such as `Europe/Berlin`',
    };
  }
}

export type NumbersDraft = readonly z.output<typeof numbers>[number][];
