import { isIPv6 } from 'node:net';
import { noParams, type Params } from './params.ts';
import { classes, code, escapedRunEnd, runEnd, wholeNumber } from './text.ts';

/** A `sip:` or `sips:` URI (RFC 3261 §19.1). */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  /** As written, with its escapes; '' where there is none. */
  readonly user: string;
  /** As written; '' where there is none. */
  readonly password: string;
  /** In lower case; an IPv6 address stands in []. */
  readonly host: string;
  readonly port: number | undefined;
  /** Names without needless escapes, values as written. */
  readonly params: Params;
  /** What follows the question mark, as written; '' where there is none. */
  readonly headers: string;
}

/** The scheme in lower case; '' where the text has none. */
export function schemeOf(text: string): string {
  const scheme = text.slice(0, Math.max(0, text.indexOf(':'))).toLowerCase();
  return scheme === 'sip' || scheme === 'sips' || /^[a-z][a-z0-9+.-]*$/.test(scheme) ? scheme : '';
}

/** Reads a `sip:` or `sips:` URI; undefined for other schemes and for what breaks the grammar (RFC 3261 §25.1). */
export function parseUri(text: string): SipUri | undefined {
  const scheme = schemeOf(text);
  if (scheme !== 'sip' && scheme !== 'sips') return undefined;
  let at = scheme.length + 1;
  let user = '';
  let password = '';
  const sign = text.indexOf('@', at);
  if (sign >= 0) {
    const userEnd = escapedRunEnd(text, at, classes.user);
    user = text.slice(at, userEnd);
    let end = userEnd;
    if (text.charCodeAt(end) === code.colon) {
      end = escapedRunEnd(text, end + 1, classes.password);
      password = text.slice(userEnd + 1, end);
    }
    if (user === '' || end !== sign) return undefined;
    at = sign + 1;
  }
  const hostEnd = hostEndOf(text, at);
  if (hostEnd < 0) return undefined;
  const host = hostOf(text.slice(at, hostEnd));
  at = hostEnd;
  let port: number | undefined;
  if (text.charCodeAt(at) === code.colon) {
    const portEnd = runEnd(text, at + 1, classes.host);
    port = portOf(text.slice(at + 1, portEnd));
    if (port === undefined) return undefined;
    at = portEnd;
  }
  let params = noParams;
  if (text.charCodeAt(at) === code.semicolon) {
    const question = text.indexOf('?', at);
    const end = question < 0 ? text.length : question;
    const read = uriParams(text.slice(at + 1, end));
    if (read === undefined) return undefined;
    params = read;
    at = end;
  }
  let headers = '';
  if (text.charCodeAt(at) === code.question) {
    headers = text.slice(at + 1);
    at = escapedRunEnd(text, at + 1, classes.uriHeader);
    if (headers === '') return undefined;
  }
  return at === text.length ? { scheme, user, password, host, port, params, headers } : undefined;
}

/** Writes a URI; its parts are as {@link parseUri} gives them. */
export function formatUri(uri: SipUri): string {
  let text = `${uri.scheme}:`;
  if (uri.user !== '') text += uri.password === '' ? `${uri.user}@` : `${uri.user}:${uri.password}@`;
  text += uri.host;
  if (uri.port !== undefined) text += `:${uri.port}`;
  for (const [name, value] of uri.params) text += value === '' ? `;${name}` : `;${name}=${value}`;
  return uri.headers === '' ? text : `${text}?${uri.headers}`;
}

/** With the escapes decoded that make no difference, those of unreserved characters (RFC 3261 §19.1.4). */
export function normalised(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-f]{2}/gi, (octet) => {
    const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
    return /[a-z0-9\-_.!~*'()]/i.test(character) ? character : octet.toUpperCase();
  });
}

/** The user with its escapes decoded as UTF-8; undefined where they are none. It may hold any character, NUL too. */
export function decodeUser(user: string): string | undefined {
  if (!user.includes('%')) return user;
  try {
    return decodeURIComponent(user);
  } catch {
    return undefined;
  }
}

/** Where a host that starts at `at` ends, a name or an address; -1 where there is none. */
export function hostEndOf(text: string, at: number): number {
  if (text.charCodeAt(at) === code.bracket) {
    const close = text.indexOf(']', at);
    return close > 0 && isIPv6(hostOf(text.slice(at + 1, close))) ? close + 1 : -1;
  }
  const end = runEnd(text, at, classes.host);
  return end === at || text.charAt(at) === '.' || text.slice(at, end).includes('..') ? -1 : end;
}

/** In lower case. Three colons in front of an IPv4 part, a slip of RFC 3261's grammar, are two (RFC 5118 §4.10). */
export function hostOf(text: string): string {
  const host = text.toLowerCase();
  return host.includes(':::') ? host.replace(/:::(?=[0-9]+\.)/, '::') : host;
}

/** A port of 1 to 65535; undefined for anything else. */
export function portOf(digits: string): number | undefined {
  const port = wholeNumber(digits, 65_535);
  return port === 0 ? undefined : port;
}

function uriParams(text: string): Params | undefined {
  const params = new Map<string, string>();
  for (const param of text.split(';')) {
    const nameEnd = escapedRunEnd(param, 0, classes.uriParam);
    const name = normalised(param.slice(0, nameEnd)).toLowerCase();
    if (name === '' || params.has(name)) return undefined;
    const value = param.slice(nameEnd + 1);
    if (nameEnd < param.length) {
      if (param.charCodeAt(nameEnd) !== code.equal || value === '') return undefined;
      if (escapedRunEnd(value, 0, classes.uriParam) !== value.length) return undefined;
    }
    params.set(name, value);
  }
  return params;
}
