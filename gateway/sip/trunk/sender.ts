import { foldDomain } from '../../../policies/address.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddress } from '../message/name-address.ts';
import { parseUri } from '../message/uri.ts';

/** Hosts of a From that names nobody (RFC 3323 §4.1.1.3, RFC 3261 §8.1.1.3). */
const NOBODY: ReadonlySet<string> = new Set(['anonymous.invalid', 'unknown.invalid']);

/**
 * The domain that a request claims to come from, folded: that of From, or where From names none (`tel:`, anonymous)
 * of the first P-Asserted-Identity with one; '' where none does. Throws Fault `sip-malformed`.
 */
export function senderDomain(request: SipRequest): string {
  const domain = domainOf(request.from.uri);
  if (domain !== '' && !NOBODY.has(domain)) return domain;
  for (const value of request.headers.all('P-Asserted-Identity')) {
    const asserted = domainOf(parseNameAddress(value).uri);
    if (asserted !== '') return asserted;
  }
  return '';
}

/** The folded host of a `sip:` or `sips:` URI, '' where there is none; what is no domain comes as it is written. */
export function domainOf(uri: string): string {
  const host = parseUri(uri)?.host ?? '';
  return foldDomain(host) ?? host;
}
