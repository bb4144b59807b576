import { foldDomain, parseAddress, wireDomain } from '../../policies/address.ts';
import { escapeLocal, unescapeLocal } from './jid-escaping.ts';
import { percentDecode, percentEncode } from './percent.ts';
import { canonicalNumber, isNumber } from './telephone.ts';

export interface NumberOptions {
  /** The domain whose localparts are telephone numbers: `tel:` lives there, and its JIDs become `;user=phone`. */
  readonly numbersAt?: string | undefined;
}

export interface JidOptions extends NumberOptions {
  /** A `gr` that came as a header parameter, as {@link strayGruu} finds it; one of the URI itself comes first. */
  readonly gr?: string | undefined;
}

export interface UriOptions extends NumberOptions {
  /** `sip` where left out. `im` and `pres` carry no instance. */
  readonly scheme?: 'sip' | 'sips' | 'im' | 'pres' | undefined;
}

/** Three parts of 1023 bytes, each percent-encoded, and room for parameters. */
const LONGEST_URI = 16_384;
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
/** What stands unescaped in the user of a SIP URI, RFC 3261 §25.1. */
const SIP_USER = /[A-Za-z0-9_.!~*'()&=+$,;?/-]/;
/** The same for `im:` and `pres:`, RFC 7247 §6.5 and RFC 3986. */
const IM_USER = /[A-Za-z0-9_!~*'&=+$-]/;
/** What stands unescaped in the value of a URI parameter, RFC 3261 §25.1. */
const PARAM_VALUE = /[A-Za-z0-9_.!~*'()[\]/:&+$-]/;
/** What nodeprep drops (RFC 3454 table B.1) or no server takes: two spellings of one localpart. */
const UNSTABLE = /[\p{C}]|\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]/u;

/** JIDs read last, for users speak more than once; longer URIs are not worth their memory. */
const KNOWN = 1_000;
const LONGEST_KNOWN = 256;
const known = new Map<string, string>();

/**
 * The JID of a SIP, SIPS, IM, PRES or `tel` URI (RFC 7247 §6.4): the user unescaped and escaped by XEP-0106, the domain in
 * U-labels, a public GRUU as the resource (§6.3). Passwords, ports and other parameters are dropped, as are those of
 * a telephone number. Undefined where there is none: unknown schemes, controls, what is no UTF-8, parts above 1023
 * bytes, and users that XMPP servers would fold into another.
 */
export function jidOf(uri: string, options: JidOptions = {}): string | undefined {
  if (uri.length > LONGEST_URI || !VISIBLE_ASCII.test(uri)) return undefined;
  if (uri.length > LONGEST_KNOWN) return readJid(uri, options);
  const key = `${uri} ${options.numbersAt ?? ''} ${options.gr ?? ''}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const jid = readJid(uri, options);
  if (jid === undefined) return undefined;
  if (known.size >= KNOWN) known.clear();
  known.set(key, jid);
  return jid;
}

function readJid(uri: string, { numbersAt, gr }: JidOptions): string | undefined {
  const colon = uri.indexOf(':');
  const scheme = uri.slice(0, Math.max(colon, 0)).toLowerCase();
  const rest = uri.slice(colon + 1);
  if (scheme === 'tel') return join(canonicalNumber(rest, { contextless: false }), numbersAt ?? '', undefined);
  if (!['sip', 'sips', 'im', 'pres'].includes(scheme)) return undefined;

  const at = rest.indexOf('@');
  const [hostPort = '', ...params] = cutAt(rest.slice(at + 1), '?').split(';');
  const host = hostOf(hostPort);
  const instances = params.filter((param) => /^gr(?:=|$)/i.test(param));
  if (host === undefined || instances.length > 1) return undefined;
  const local = at < 0 ? '' : localOf(cutAt(rest.slice(0, at), ':'), params);
  return join(local, host, instances[0]?.slice('gr='.length) ?? gr);
}

/**
 * The URI of a JID (RFC 7247 §6.5), its resource as `gr`. Undefined for what is no JID, and for the rare one that is not
 * the escaped form of any name, as it would share its URI with another.
 */
export function uriOf(jid: string, { scheme = 'sip', numbersAt }: UriOptions = {}): string | undefined {
  const address = parseAddress(jid);
  if (address === undefined) return undefined;
  const { domain, resource } = address;
  const at = address.local === '' ? -1 : jid.indexOf('@');
  const user = at < 0 ? '' : unescapeLocal(jid.slice(0, at).normalize('NFC'));
  if (user === undefined || !isStable(user)) return undefined;
  const simple = scheme === 'im' || scheme === 'pres';
  const phone = !simple && numbersAt !== undefined && foldDomain(numbersAt) === domain && isNumber(user);
  const userinfo = at < 0 ? '' : `${percentEncode(user, simple ? IM_USER : SIP_USER)}@`;
  const instance = simple || resource === '' ? '' : `;gr=${percentEncode(resource, PARAM_VALUE)}`;
  return `${scheme}:${userinfo}${domain}${phone ? ';user=phone' : ''}${instance}`;
}

/** The `gr` that a From, To or Contact value has as a header parameter, as the examples of the STOX documents write it. */
export function strayGruu(headerValue: string): string | undefined {
  if (!/gr=/i.test(headerValue)) return undefined;
  const { params } = splitNameAddress(headerValue);
  return params.find((param) => /^gr=/i.test(param))?.slice('gr='.length);
}

/** The URI of a From, To or Contact value, with or without brackets; what is a bare URI stays as it is. */
export function uriInHeader(headerValue: string): string {
  return splitNameAddress(headerValue).uri;
}

/** The `xmpp:` URI of a JID, as `gone` and `redirect` carry it (RFC 5122 §2.2, RFC 6120 §8.3.3.5). */
export function xmppUriOf(jid: string): string {
  return `xmpp:${percentEncode(jid, /[A-Za-z0-9_.~!$'()*+,;=@/:[\]-]/)}`;
}

/** The JID in an `xmpp:` URI, or in text that is one; undefined where it is none. */
export function jidOfXmppUri(text: string): string | undefined {
  const jid = /^xmpp:/i.test(text) ? percentDecode(cutAt(text.slice('xmpp:'.length), '?')) : text;
  return jid !== undefined && parseAddress(jid) !== undefined ? jid : undefined;
}

/** The localpart of a user, '' where it has none that can be written. */
function localOf(user: string, params: readonly string[]): string | undefined {
  const phone = params.some((param) => param.toLowerCase() === 'user=phone') || /^\+[0-9.()-]+;/.test(user);
  const number = phone ? canonicalNumber(user, { contextless: true }) : undefined;
  if (number !== undefined) return number;
  const name = percentDecode(phone ? cutAt(user, ';') : user)?.normalize('NFC');
  return name === undefined || name === '' || !isStable(name) ? undefined : escapeLocal(name);
}

function join(local: string | undefined, host: string, instance: string | undefined): string | undefined {
  const domain = foldDomain(host);
  const resource = percentDecode(instance ?? '');
  if (local === undefined || domain === undefined || resource === undefined) return undefined;
  const bare = local === '' ? wireDomain(domain) : `${local}@${wireDomain(domain)}`;
  const jid = resource === '' ? bare : `${bare}/${resource}`;
  return parseAddress(jid) === undefined ? undefined : jid;
}

/** Whether servers leave it as it is but for its case: else it would be the name of somebody else there. */
function isStable(name: string): boolean {
  return !UNSTABLE.test(name) && name.normalize('NFKC') === name;
}

function hostOf(hostPort: string): string | undefined {
  return /^(\[[^\]]*\]|[^:]*)(?::[0-9]{0,5})?$/.exec(hostPort)?.[1];
}

/** RFC 3261 §20.10: without brackets, all parameters are the header's. */
function splitNameAddress(value: string): { readonly uri: string; readonly params: readonly string[] } {
  const quoted = value.lastIndexOf('"') + 1;
  const open = value.indexOf('<', quoted);
  const close = value.indexOf('>', open);
  const bracketed = open >= 0 && close >= 0;
  const [first = '', ...params] = value.slice(bracketed ? close + 1 : quoted).split(';');
  return { uri: bracketed ? value.slice(open + 1, close) : first.trim(), params: params.map((param) => param.trim()) };
}

function cutAt(text: string, mark: string): string {
  const at = text.indexOf(mark);
  return at < 0 ? text : text.slice(0, at);
}
