import { z } from 'zod';
import { nearest } from './nearest.ts';

/** How often something may happen. */
export interface Rate {
  /** Times per period, as written: 30 of `30/min`. */
  readonly count: number;
  /** ms: 60000 of `30/min`. */
  readonly periodMs: number;
  readonly perSecond: number;
}

export interface Money {
  readonly amount: number;
  /** ISO 4217. */
  readonly currency: string;
}

/** What a text in a unit means, or what is wrong with it. */
export type Measured<T> = { readonly value: T } | { readonly problem: string; readonly remedy: string };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KIB = 1_024;

const PERIODS: Units = { s: SECOND, min: MINUTE, h: HOUR, day: DAY };
const DURATIONS: Units = { ms: 1, s: SECOND, min: MINUTE, h: HOUR, d: DAY };
const SIZES: Units = { B: 1, KiB: KIB, MiB: KIB * KIB, GiB: KIB * KIB * KIB };

/** Most that a rate may count in its period: above it no limit is meant. */
const RATE_COUNT = 1_000_000;

type Units = Readonly<Record<string, number>>;

/** Reads `50/s`, `30/min`, `5/h`, `200/day`. */
export function parseRate(text: string): Measured<Rate> {
  const [, digits, unit] = /^(\d+) ?\/ ?([a-z]+)$/i.exec(text) ?? [];
  if (digits === undefined || unit === undefined)
    return notA('rate', text, 'write a count per s, min, h or day: `50/s`');
  const periodMs = unitOf(PERIODS, unit);
  if (periodMs === undefined) return unknownUnit(unit, PERIODS);
  const count = Number(digits);
  if (count < 1 || count > RATE_COUNT) return notA('rate', text, `count from 1 to ${RATE_COUNT}`);
  return { value: { count, periodMs, perSecond: (count * SECOND) / periodMs } };
}

/** Reads `250ms`, `30s`, `10min`, `4h`, `7d` into ms. */
export function parseDuration(text: string): Measured<number> {
  return scaled(text, DURATIONS, 'duration', 'write a number and ms, s, min, h or d: `30s`');
}

/** Reads `262144`, `256KiB`, `1MiB` into bytes. */
export function parseSize(text: string): Measured<number> {
  const plain = /^\d+$/.test(text) ? `${text}B` : text;
  return scaled(plain, SIZES, 'size', 'write bytes, or a number and KiB, MiB or GiB: `256KiB`');
}

/** Reads `20 EUR`, `0.50 USD`. */
export function parseMoney(text: string): Measured<Money> {
  const [, amount, currency] = /^(\d{1,9}(?:\.\d{1,2})?) ?([A-Z]{3})$/.exec(text) ?? [];
  if (amount === undefined || currency === undefined) {
    return notA('sum of money', text, 'write an amount and a currency code: `20 EUR`');
  }
  return { value: { amount: Number(amount), currency } };
}

/** Schema of a {@link Rate}. */
export const rate = z
  .string({ error: 'a rate is written like `50/s`' })
  .transform(through(parseRate))
  .meta({ title: 'rate', examples: ['50/s', '30/min', '5/h', '200/day'] });

/** Schema of a duration between two bounds, e.g. `duration('1s', '1h')`; its value is ms. */
export function duration(least: string, most: string): z.ZodType<number, string> {
  return z
    .string({ error: 'a duration is written with its unit, like `30s`' })
    .transform(through(within(parseDuration, 'duration', least, most)))
    .meta({ title: `duration, ${least} to ${most}` });
}

/** Schema of a size between two bounds, e.g. `size('1KiB', '16MiB')`; its value is bytes. */
export function size(least: string, most: string): z.ZodType<number, string | number> {
  const read = within(parseSize, 'size', least, most);
  return z
    .union([z.string(), z.number()], { error: 'expected a size like `262144` or `256KiB`' })
    .transform((value, context) => through(read)(String(value), context))
    .meta({ title: `size, ${least} to ${most}` });
}

/** Schema of a sum of {@link Money}. */
export const money = z
  .string({ error: 'money is written like `20 EUR`' })
  .transform(through(parseMoney))
  .meta({ title: 'money', examples: ['20 EUR'] });

/** Makes a schema transform of a reader: what it finds wrong becomes the schema's issue, with its remedy. */
export function through<T>(read: (text: string) => Measured<T>): (text: string, context: z.RefinementCtx) => T {
  return (text, context) => {
    const measured = read(text);
    if ('value' in measured) return measured.value;
    context.addIssue({ code: 'custom', message: measured.problem, params: { remedy: measured.remedy }, input: text });
    return z.NEVER;
  };
}

function within(
  read: (text: string) => Measured<number>,
  noun: string,
  least: string,
  most: string,
): (text: string) => Measured<number> {
  const low = bound(read(least));
  const high = bound(read(most));
  return (text) => {
    const measured = read(text);
    if (!('value' in measured) || (measured.value >= low && measured.value <= high)) return measured;
    const side = measured.value < low ? 'short of' : 'beyond';
    return {
      problem: `\`${text}\` is ${side} what is allowed here`,
      remedy: `choose a ${noun} from ${least} to ${most}`,
    };
  };
}

function bound(measured: Measured<number>): number {
  if ('value' in measured) return measured.value;
  throw new TypeError(measured.problem);
}

function scaled(text: string, units: Units, noun: string, remedy: string): Measured<number> {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,3})?) ?([a-z]+)$/i.exec(text) ?? [];
  if (number === undefined || unit === undefined) return notA(noun, text, remedy);
  const scale = unitOf(units, unit);
  if (scale === undefined) return unknownUnit(unit, units);
  const value = Number(number) * scale;
  return Number.isSafeInteger(value) ? { value } : notA(noun, text, 'write a whole number in a smaller unit');
}

function unitOf(units: Units, unit: string): number | undefined {
  return Object.hasOwn(units, unit) ? units[unit] : undefined;
}

function notA(noun: string, text: string, remedy: string): Measured<never> {
  return { problem: `\`${text}\` is no ${noun}`, remedy };
}

function unknownUnit(unit: string, units: Units): Measured<never> {
  const names = Object.keys(units);
  const meant = nearest(unit, names);
  const hint = meant === undefined ? '' : `: did you mean \`${meant}\`?`;
  return { problem: `\`${unit}\` is no unit here${hint}`, remedy: `units here: ${names.join(', ')}` };
}
