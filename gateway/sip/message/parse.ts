import { headText, lineEnd, readHeaderLines } from './header-lines.ts';
import { messageLimits } from './limits.ts';
import { malformed } from './malformed.ts';
import { type SipMessage, SipRequest, SipResponse } from './message.ts';
import { classes, isIn, skipSpace, trimmed, wholeNumber } from './text.ts';

export interface ParseOptions {
  /** How many header lines a message may have; {@link messageLimits.headerLines} where left out. */
  readonly headerLines?: number | undefined;
}

/**
 * Reads a whole message: its head without the empty line, and its body. Headers are divided and unfolded; what they
 * say is read on demand. Throws `sip-too-big` past {@link messageLimits}, and `sip-malformed` for what breaks the form
 * of a message or where Content-Length is not there exactly once with the length of the body.
 */
export function parseMessage(head: Buffer, body: Buffer, options?: ParseOptions): SipMessage {
  const message = parseHead(head, options);
  if (contentLength(message) !== body.length) throw malformed('The body is not as long as Content-Length says.');
  message.body = body;
  return message;
}

/** As {@link parseMessage}, before the body is there: what a framer reads {@link contentLength} from. */
export function parseHead(head: Buffer, { headerLines = messageLimits.headerLines }: ParseOptions = {}): SipMessage {
  const text = headText(head);
  const end = lineEnd(text, 0);
  const message = startLine(text.slice(0, end));
  readHeaderLines(text, end + 2, headerLines, message.headers);
  return message;
}

/** The length of the body. Throws `sip-malformed` where there is not exactly one Content-Length (RFC 3261 §18.3). */
export function contentLength({ headers }: SipMessage): number {
  const length = wholeNumber(headers.get('Content-Length') ?? '', Number.MAX_SAFE_INTEGER);
  if (length === undefined || headers.count('Content-Length') > 1) {
    throw malformed('The message has no Content-Length, or none that is plain.');
  }
  return length;
}

/** {@link contentLength} of a head that is not parsed yet. Throws what {@link parseHead} throws, too. */
export function contentLengthOf(head: Buffer, options?: ParseOptions): number {
  return contentLength(parseHead(head, options));
}

/** The message of a start line, with no headers yet. Faults that `syntaxFault` tells are let pass: they get an answer. */
function startLine(line: string): SipMessage {
  const space = line.indexOf(' ');
  const first = space < 0 ? line : line.slice(0, space);
  const rest = space < 0 ? '' : line.slice(space + 1);
  return /^SIP\//i.test(first) ? statusLine(first, rest) : requestLine(first, rest);
}

function statusLine(version: string, rest: string): SipResponse {
  const status = /^[1-6][0-9]{2}(?: |$)/.test(rest) ? Number(rest.slice(0, 3)) : 0;
  return new SipResponse(status, status === 0 ? '' : rest.slice(4), undefined, undefined, version);
}

/** The version begins at the last word; white space behind it is its own, and makes it none. */
function requestLine(method: string, rest: string): SipRequest {
  if (!isIn(method, classes.token)) throw malformed('The message has no start line.');
  const wordsEnd = skipSpace(rest, 0) + trimmed(rest).length;
  const split = rest.lastIndexOf(' ', wordsEnd - 1);
  if (split < 0) throw malformed('The start line has no version.');
  return new SipRequest(method, rest.slice(0, split), undefined, undefined, rest.slice(split + 1));
}
