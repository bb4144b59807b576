import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import type { NumberKind, NumbersDraft } from './schema/calls.ts';

/** A global number of RFC 3966 §5.1.4, without visual separators: `+` and up to 15 digits (E.164). */
const GLOBAL = /^\+[1-9]\d{1,14}$/;

export function isTelephoneNumber(text: string): boolean {
  return GLOBAL.test(text);
}

/** The first line of `numbers` that means this number: it belongs to a local user. */
export function userOfNumber(numbers: NumbersDraft, e164: string): NumbersDraft[number] | undefined {
  return numbers.find(({ e164: written }) =>
    written.endsWith('*') ? e164.startsWith(written.slice(0, -1)) : written === e164,
  );
}

/** What the numbering plans say of a number. */
export interface NumberClass {
  readonly kind: NumberKind;
  /** ISO 3166, two letters; undefined for numbers of no country, such as satellites. */
  readonly country: string | undefined;
}

/** The kinds of libphonenumber; where fixed and mobile look alike, the number counts as mobile, which costs more. */
const kinds: Readonly<Record<string, NumberKind>> = {
  FIXED_LINE: 'fixed',
  FIXED_LINE_OR_MOBILE: 'mobile',
  MOBILE: 'mobile',
  TOLL_FREE: 'toll-free',
  SHARED_COST: 'shared-cost',
  PREMIUM_RATE: 'premium',
  VOIP: 'voip',
  PERSONAL_NUMBER: 'personal',
  PAGER: 'pager',
  UAN: 'uan',
  VOICEMAIL: 'voicemail',
};

/** Country codes that no country has (ITU-T E.164 list): satellites and networks that are billed like them. */
const SATELLITE = /^\+(?:870|881|882|883)/;

/** Classifies an E.164 number, `+` and digits. What no numbering plan knows is `unallocated`. */
export function classify(e164: string): NumberClass {
  if (SATELLITE.test(e164)) return { kind: 'satellite', country: undefined };
  const number = parsePhoneNumberFromString(e164);
  const kind = number?.isValid() ? kinds[number.getType() ?? ''] : undefined;
  return { kind: kind ?? 'unallocated', country: number?.country };
}
