import { Fault } from '../../../policies/fault.ts';
import type { Headers } from './headers.ts';
import { messageLimits } from './limits.ts';
import { malformed } from './malformed.ts';
import { classes, code, runEnd, skipSpace, trimmed } from './text.ts';

/**
 * A head as text; octets that are no UTF-8 become U+FFFD. A NUL is legal only behind a backslash (RFC 3261 §25.1,
 * quoted-pair), where it is read as a space: nothing that we write may hold one. Throws `sip-malformed` for any other,
 * and `sip-too-big`.
 */
export function headText(head: Buffer): string {
  if (head.length > messageLimits.headBytes) throw tooBig('The head is too large.');
  const text = head.toString();
  if (!text.includes('\0')) return text;
  const spaced = text.replaceAll('\\\0', '\\ ');
  if (spaced.includes('\0')) throw malformed('The head holds NUL.');
  return spaced;
}

/**
 * Appends the header lines that start at `from`, unfolded (RFC 3261 §7.3.1), up to the end of the text.
 * Throws `sip-malformed`, and `sip-too-big` past `headerLines` or the length of a line.
 */
export function readHeaderLines(text: string, from: number, headerLines: number, headers: Headers): void {
  let lines = 0;
  for (let start = from; start < text.length; ) {
    let end = lineEnd(text, start);
    if (++lines > headerLines) throw tooBig('There are too many header lines.');
    const colon = text.indexOf(':', start);
    const nameEnd = runEnd(text, start, classes.token);
    // RFC 3261 §25.1, HCOLON: white space may stand in front of the colon, but no fold.
    if (colon < 0 || nameEnd === start || skipSpace(text, nameEnd) !== colon) throw malformed('A line is no header.');
    let value = trimmed(text.slice(colon + 1, end));
    while (isFolded(text, end)) {
      const next = lineEnd(text, end + 2);
      if (++lines > headerLines) throw tooBig('There are too many header lines.');
      if (next - start > messageLimits.lineBytes) throw tooBig('A header is too long.');
      value = joined(value, trimmed(text.slice(end + 2, next)));
      end = next;
    }
    headers.append(text.slice(start, nameEnd), value);
    start = end + 2;
  }
}

/** Where the line that starts at `start` ends, in front of its CRLF or at the end. Throws for CR and LF alone. */
export function lineEnd(text: string, start: number): number {
  const feed = text.indexOf('\n', start);
  const end = feed < 0 ? text.length : feed - 1;
  const carriage = text.indexOf('\r', start);
  if (feed < 0 ? carriage >= 0 : carriage !== end) throw malformed('A line does not end with CRLF.');
  if (end - start > messageLimits.lineBytes) throw tooBig('A line is too long.');
  return end;
}

function isFolded(text: string, end: number): boolean {
  const character = text.charCodeAt(end + 2);
  return character === code.space || character === code.tab;
}

function joined(value: string, more: string): string {
  return value === '' ? more : more === '' ? value : `${value} ${more}`;
}

function tooBig(what: string): Fault {
  return new Fault('sip-too-big', what);
}
