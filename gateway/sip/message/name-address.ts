import { malformed } from './malformed.ts';
import { formatParams, type Params, parseParams } from './params.ts';
import { classes, code, isIn, quotedEnd, quotedText, runEnd, skipSpace, trimmed, unquoted } from './text.ts';
import { schemeOf } from './uri.ts';

/** What From, To, Contact, Route and the like hold (RFC 3261 §20.10). */
export interface NameAddress {
  /** The display name without its quotes; '' where there is none. */
  readonly display: string;
  /** Any URI, as written. */
  readonly uri: string;
  /** Of the header, not of the URI. */
  readonly params: Params;
}

/** Reads `"Name" <uri>;params`, `Name <uri>;params` or `uri;params`. Throws `sip-malformed`. */
export function parseNameAddress(text: string): NameAddress {
  const start = skipSpace(text, 0);
  if (text.charCodeAt(start) === code.quote) {
    const end = quotedEnd(text, start);
    const open = skipSpace(text, end);
    if (text.charCodeAt(open) !== code.less) throw malformed('No address follows the display name.');
    return bracketed(text, open, unquoted(text.slice(start, end)));
  }
  const open = text.indexOf('<', start);
  if (open < 0) return bare(text, start);
  const display = trimmed(text.slice(start, open));
  // A bare address may have a quoted parameter that holds the bracket.
  if (display.includes('"')) return bare(text, start);
  if (!isDisplay(display)) throw malformed('The display name needs quotes.');
  return bracketed(text, open, display);
}

/** Writes it with the URI in <>, the display name in quotes. */
export function formatNameAddress({ display, uri, params }: NameAddress): string {
  return `${display === '' ? '' : `${quotedText(display)} `}<${uri}>${formatParams(params)}`;
}

/** The tag; '' where there is none. */
export function tagOf(address: NameAddress): string {
  return address.params.get('tag') ?? '';
}

function bracketed(text: string, open: number, display: string): NameAddress {
  const close = text.indexOf('>', open);
  if (close < 0) throw malformed('An address in brackets never ends.');
  return { display, uri: checkedUri(text.slice(open + 1, close)), params: parseParams(text, close + 1) };
}

/** Without brackets all parameters are the header's, and the URI holds no comma, semicolon or question mark. */
function bare(text: string, start: number): NameAddress {
  const end = runEnd(text, start, classes.paramValue);
  const uri = text.slice(start, end);
  if (uri.includes('?')) throw malformed('An address with a question mark needs brackets.');
  return { display: '', uri: checkedUri(uri), params: parseParams(text, end) };
}

function checkedUri(uri: string): string {
  if (schemeOf(uri) === '' || !isIn(uri, classes.uri)) throw malformed('An address is no URI.');
  return uri;
}

/** Tokens with white space between them; letters beyond ASCII, which many send without quotes, are taken too. */
function isDisplay(display: string): boolean {
  for (let at = 0; ; at++) {
    at = skipSpace(display, runEnd(display, at, classes.token));
    if (at >= display.length) return true;
    if (display.charCodeAt(at) < 128 && runEnd(display, at, classes.token) === at) return false;
  }
}
