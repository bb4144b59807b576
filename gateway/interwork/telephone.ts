import { foldDomain } from '../../policies/address.ts';
import { percentDecode } from './percent.ts';

/** Digits of one number; E.164 has 15, private plans and prefixes make them more. */
const LONGEST = 40;
const GLOBAL = /^\+[0-9]+$/;
const LOCAL = /^[0-9a-f*#]+$/;

/**
 * A telephone subscriber (RFC 3966 §3, without its scheme) in one canonical spelling: `+4930123`, or `123;phone-context=…`
 * for a number that means something only in its context. Separators and all other parameters are dropped. A local number
 * without a context stands for itself where `contextless` says so. Undefined where it is no number.
 */
export function canonicalNumber(
  subscriber: string,
  { contextless }: { readonly contextless: boolean },
): string | undefined {
  const [written = '', ...params] = subscriber.split(';');
  const number = digits(written);
  if (number === undefined) return undefined;
  if (GLOBAL.test(number)) return number;
  if (!LOCAL.test(number)) return undefined;
  const given = params.find((param) => /^phone-context=/i.test(param));
  if (given === undefined) return contextless ? number : undefined;
  const context = contextOf(given.slice('phone-context='.length));
  return context === undefined ? undefined : `${number};phone-context=${context}`;
}

/** Whether a localpart is a number as {@link canonicalNumber} writes it, and not such as may as well be a name. */
export function isNumber(local: string): boolean {
  return (
    (GLOBAL.test(local) || local.includes(';phone-context=')) &&
    canonicalNumber(local, { contextless: false }) === local
  );
}

/** A prefix of global numbers, or a domain. */
function contextOf(text: string): string | undefined {
  const prefix = digits(text);
  return prefix !== undefined && GLOBAL.test(prefix) ? prefix : foldDomain(percentDecode(text) ?? '');
}

function digits(text: string): string | undefined {
  const plain = percentDecode(text)
    ?.replace(/[-.()]/g, '')
    .toLowerCase();
  return plain === undefined || plain.length > LONGEST ? undefined : plain;
}
