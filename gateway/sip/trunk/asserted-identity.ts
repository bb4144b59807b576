import type { Headers } from '../message/headers.ts';
import { parseNameAddress } from '../message/name-address.ts';
import { schemeOf } from '../message/uri.ts';
import type { Party, ReadHeaders } from '../port.ts';
import { domainOf } from './sender.ts';

/** Who stands on the other side of the trust boundary (RFC 3325 §3). */
export interface Neighbour {
  /** Of our own trust domain: what it asserts is believed, and it is told what we know. */
  readonly trusted: boolean;
  /** Whether it may speak for the users of this folded domain. */
  owns(domain: string): boolean;
}

const ASSERTED = 'p-asserted-identity';
/** Claims that only a trust domain gives a meaning: legacy forms of identity, retargeting, charging, calling party. */
const CLAIMS: ReadonlySet<string> = new Set([
  'remote-party-id',
  'identity-info',
  'history-info',
  'diversion',
  'charge',
  'cpc',
]);
/** What tells of the user beside From (RFC 3323 §4.1). */
const ABOUT_USER: ReadonlySet<string> = new Set([
  'call-info',
  'in-reply-to',
  'organization',
  'reply-to',
  'subject',
  'user-agent',
]);
const RETARGETS: ReadonlySet<string> = new Set(['history-info', 'diversion']);
/** One `sip:` or `sips:`, and one `tel:` (RFC 3325 §9.1). */
const MAX_IDENTITIES = 2;

/**
 * Takes from the headers of a received request what its sender may not claim: P-Preferred-Identity always; of who is not
 * trusted History-Info, Diversion, charging headers, every `P-…` and `X-…`, and of P-Asserted-Identity whatever does
 * not name a user of its own domains. Identity (RFC 8224) stays: it proves itself. Changes `headers`.
 */
export function receiveIdentity(headers: Headers, neighbour: Neighbour): void {
  for (const name of namesIn(headers)) {
    if (name === 'p-preferred-identity' || (!neighbour.trusted && isClaim(name))) headers.delete(name);
    else if (name === ASSERTED) keepIdentities(headers, (uri) => neighbour.trusted || speaksFor(neighbour, uri));
  }
}

/**
 * Takes from the headers of a request to be sent what its receiver may not learn: P-Preferred-Identity always;
 * P-Asserted-Identity where Privacy asks for `id` and the receiver is not trusted (RFC 3325 §7); History-Info and
 * Diversion where it asks for `history` or `header` (RFC 7044 §10.1); what tells of the user for `user`; and for who is
 * not trusted the claims that only mean something among ourselves. Changes `headers`.
 */
export function sendIdentity(headers: Headers, neighbour: Neighbour): void {
  const privacy = privacyOf(headers);
  for (const name of namesIn(headers)) {
    const hidden =
      name === 'p-preferred-identity' ||
      (name === ASSERTED && privacy.has('id') && !neighbour.trusted) ||
      (RETARGETS.has(name) && (privacy.has('history') || privacy.has('header'))) ||
      (ABOUT_USER.has(name) && privacy.has('user')) ||
      (!neighbour.trusted && isClaim(name));
    if (hidden) headers.delete(name);
    else if (name === ASSERTED) keepIdentities(headers, () => true);
  }
}

/** The privacy that a request asks for, lower case; empty where it says `none` (RFC 3323 §4.2). */
export function privacyOf(headers: ReadHeaders): ReadonlySet<string> {
  const values = headers.all('Privacy').flatMap((value) => value.toLowerCase().split(/[;,]/));
  const privacy = new Set(values.map((value) => value.trim()).filter((value) => value !== ''));
  return privacy.has('none') ? new Set() : privacy;
}

/** Whether it asks, as `critical`, for a privacy that is not given here: that of the media (RFC 3323 §5). */
export function isPrivacyUnmet(privacy: ReadonlySet<string>): boolean {
  return privacy.has('critical') && privacy.has('session');
}

/** From as the receiver may see it: nobody, where `user` privacy is asked for (RFC 3323 §4.1.1.3). */
export function shownSender(from: Party, privacy: ReadonlySet<string>): Party {
  return privacy.has('user') ? { uri: 'sip:anonymous@anonymous.invalid', display: 'Anonymous' } : from;
}

/** What every request has, and what no rule here is about. */
const HARMLESS = new Set(
  'Via Max-Forwards From To Call-ID CSeq Contact Route Record-Route Content-Type Content-Length Allow Supported'.split(
    ' ',
  ),
);

/** Lower case, each once; read ahead, as the headers change on the way. */
function namesIn(headers: Headers): Iterable<string> {
  let names: Set<string> | undefined;
  headers.forEach((name) => {
    if (HARMLESS.has(name)) return;
    const lower = name.toLowerCase();
    if (!isClaim(lower) && !lower.startsWith('p-') && !ABOUT_USER.has(lower)) return;
    names ??= new Set();
    names.add(lower);
  });
  return names ?? [];
}

function isClaim(name: string): boolean {
  return CLAIMS.has(name) || name.startsWith('x-') || (name.startsWith('p-') && name !== ASSERTED);
}

function keepIdentities(headers: Headers, may: (uri: string) => boolean): void {
  const values = headers.all(ASSERTED);
  const schemes = new Set<string>();
  const kept = values.filter((value) => {
    const uri = uriOf(value);
    const kind = uri === undefined ? '' : schemeOf(uri) === 'tel' ? 'tel' : 'sip';
    if (uri === undefined || schemes.has(kind) || !may(uri)) return false;
    schemes.add(kind);
    return true;
  });
  if (kept.length === values.length) return;
  headers.delete(ASSERTED);
  for (const value of kept.slice(0, MAX_IDENTITIES)) headers.add('P-Asserted-Identity', value);
}

function speaksFor(neighbour: Neighbour, uri: string): boolean {
  const domain = domainOf(uri);
  return domain !== '' && neighbour.owns(domain);
}

function uriOf(value: string): string | undefined {
  try {
    const { uri } = parseNameAddress(value);
    return /^(?:sips?|tel):/i.test(uri) ? uri : undefined;
  } catch {
    return undefined;
  }
}
