import { Fault } from '../../../policies/fault.ts';
import { isKnownHeader } from './header-names.ts';
import type { SipMessage } from './message.ts';
import { classes, isIn } from './text.ts';

/**
 * Writes a message with the Content-Length of its body. This is the one place that refuses what would end a line or
 * a message: throws `sip-unsendable` for CR, LF and NUL in any value, and for what is no method, URI, status or name.
 */
export function serialise(message: SipMessage): Buffer {
  // Parts, not a string that grows: that would be a chain of strings, and each link garbage.
  const head = [startLine(message)];
  message.headers.forEach((name, value) => {
    if (name === 'Content-Length') return;
    if (!isKnownHeader(name) && !isIn(name, classes.token)) throw unsendable('The name of a header is none.');
    head.push(name, ': ', sendable(value), '\r\n');
  });
  head.push('Content-Length: ', String(message.body.length), '\r\n\r\n');
  const bytes = Buffer.from(head.join(''));
  return message.body.length === 0 ? bytes : Buffer.concat([bytes, message.body]);
}

function startLine(message: SipMessage): string {
  if (message.kind === 'response') {
    const { status, reason } = message;
    if (!Number.isInteger(status) || status < 100 || status > 699) throw unsendable('The status is none.');
    return `SIP/2.0 ${status} ${sendable(reason)}\r\n`;
  }
  if (!isIn(message.method, classes.token)) throw unsendable('The method is none.');
  if (!isIn(message.uri, classes.uri)) throw unsendable('The Request-URI is none.');
  return `${message.method} ${message.uri} SIP/2.0\r\n`;
}

function sendable(value: string): string {
  if (/[\r\n\0]/.test(value)) throw unsendable('A value holds CR, LF or NUL.');
  return value;
}

function unsendable(what: string): Fault {
  return new Fault('sip-unsendable', what);
}
