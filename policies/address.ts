import { domainToASCII, domainToUnicode } from 'node:url';

/**
 * An address as policy compares it: `local@domain/resource` (RFC 7622), local and domain folded so that two spellings
 * of one user compare equal. What crosses the wire keeps the spelling it came with.
 */
export interface Address {
  /** Folded localpart, '' for a domain. */
  readonly local: string;
  /** A-label form, lower case. */
  readonly domain: string;
  /** As written, '' for a bare address. */
  readonly resource: string;
  /** `local@domain`, or the domain alone. */
  readonly bare: string;
}

/** Bytes of one part, RFC 7622 §3.1. */
const PART_BYTES = 1023;
const PLAIN_LOCAL = /^[a-z0-9!#$%*+,.;=?[\\\]^_`{|}~()-]+$/;
const PLAIN_DOMAIN =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** ASCII that no domain has, and that a URL parser would cut off, decode or skip. */
const DOMAIN_PROHIBITED = /[\0-,/:-@[-^`{-\x7f]/;
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const IPV6 = /^\[[0-9a-f:.]+\]$/;
/** RFC 7622 §3.3.1 and the control, space and private classes that nodeprep prohibits. */
const LOCAL_PROHIBITED = /["&'/:<>@\p{C}\p{Z}]/u;
const RESOURCE_PROHIBITED = /[\p{Cc}\p{Cs}\u2028\u2029\ufffe\uffff]/u;
/** RFC 3454 table B.1, "mapped to nothing": they must not hide one user behind another spelling. */
const MAPPED_TO_NOTHING = /[\u00ad\u1806\u200b-\u200d\u2060\ufeff]|\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]/g;

/**
 * Parses and folds an address. Returns undefined where it is no valid JID: the caller decides what that means.
 * Folding follows nodeprep (RFC 6122) and is at least as coarse as any server's, so that a rule for one spelling
 * holds for every spelling a home server would deliver to the same user.
 */
export function parseAddress(text: string): Address | undefined {
  const slash = text.indexOf('/');
  const bareText = slash < 0 ? text : text.slice(0, slash);
  const resource = slash < 0 ? '' : text.slice(slash + 1);
  if (slash >= 0 && !validResource(resource)) return undefined;
  const at = bareText.indexOf('@');
  const domain = foldDomain(at < 0 ? bareText : bareText.slice(at + 1));
  if (domain === undefined) return undefined;
  if (at < 0) return { local: '', domain, resource, bare: domain };
  const local = foldLocal(bareText.slice(0, at));
  if (local === undefined) return undefined;
  return { local, domain, resource, bare: `${local}@${domain}` };
}

/** A domain in lower-case A-label form without its root dot (RFC 5890), or undefined where it is none. */
export function foldDomain(text: string): string | undefined {
  const lower = text.toLowerCase();
  const unrooted = lower.endsWith('.') ? lower.slice(0, -1) : lower;
  if (PLAIN_DOMAIN.test(unrooted) && !unrooted.includes('xn--')) return unrooted;
  if (IPV6.test(unrooted)) return unrooted;
  const composed = unrooted.normalize('NFKC');
  if (DOMAIN_PROHIBITED.test(composed)) return undefined;
  const ascii = domainToASCII(composed);
  if (ascii === '' || !PLAIN_DOMAIN.test(ascii)) return undefined;
  // The URL parser reads "0x7f.1" as an IPv4 address; only what was one already may come out as one.
  return IPV4.test(ascii) && ascii !== unrooted ? undefined : ascii;
}

/** A folded domain as XMPP writes it in addresses: in U-labels (RFC 7622 §3.2). */
export function wireDomain(domain: string): string {
  return domain.includes('xn--') ? domainToUnicode(domain) : domain;
}

/** A bare address as it is written on the wire. */
export function wireBare({ local, domain }: Address): string {
  return local === '' ? wireDomain(domain) : `${local}@${wireDomain(domain)}`;
}

/** A network address as people write it: `192.0.2.1:5269`, `[::1]:5269`. */
export function endpointText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function foldLocal(text: string): string | undefined {
  if (text.length === 0 || text.length > PART_BYTES) return undefined;
  if (PLAIN_LOCAL.test(text)) return text;
  const visible = text.replace(MAPPED_TO_NOTHING, '');
  const folded = visible
    .normalize('NFKC')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll('ς', 'σ')
    .normalize('NFKC')
    .replace(MAPPED_TO_NOTHING, '');
  if (folded.length === 0 || LOCAL_PROHIBITED.test(folded) || Buffer.byteLength(folded) > PART_BYTES) return undefined;
  return folded;
}

function validResource(text: string): boolean {
  return text.length > 0 && Buffer.byteLength(text) <= PART_BYTES && !RESOURCE_PROHIBITED.test(text);
}

/** One household of addresses: an IPv4 address, or an IPv6 /64, which is what one customer is given. */
export function originOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}
