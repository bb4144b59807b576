import type { Address } from '../../policies/address.ts';
import type { Party } from '../sip/port.ts';

/** Reads who a SIP URI means; `domain` is where a telephone number belongs that names none. Undefined: nobody. */
export type ReadParty = (uri: string, domain: string) => Address | undefined;

/** The URI in a Contact or Refer-To value: what stands in angle brackets, or all up to the first parameter. */
export function uriIn(value: string): string {
  const open = value.indexOf('<');
  const close = value.indexOf('>', open);
  if (open >= 0 && close > open) return value.slice(open + 1, close);
  return (value.split(';', 1)[0] ?? '').trim();
}

/** What is told of a party beyond its own side: the name and the address of record; ports, parameters and hosts stay here. */
export function publicParty({ uri, display }: Party, { domain }: Address): Party {
  return { uri: publicUri(uri, domain), ...(display === undefined ? {} : { display }) };
}

/** The user of a URI, as written, at a domain: `sip:bob@192.0.2.7:5099;x=y` is `sip:bob@p.example`. */
export function publicUri(uri: string, domain: string): string {
  const colon = uri.indexOf(':');
  const scheme = uri.slice(0, colon).toLowerCase();
  if (scheme === 'tel')
    return `sip:${(uri.slice(colon + 1).split(';', 1)[0] ?? '').replace(/[-.()]/g, '')}@${domain};user=phone`;
  const at = uri.indexOf('@', colon);
  const user = at < 0 ? '' : `${(uri.slice(colon + 1, at).split(':', 1)[0] ?? '').split(';', 1)[0]}@`;
  return `sip:${user}${domain}`;
}
