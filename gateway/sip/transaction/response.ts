import { Headers } from '../message/headers.ts';
import { type SipMessage, type SipRequest, SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import { reasonPhrase } from './reason-phrases.ts';

/** What a response takes from its request, RFC 3261 §8.2.6.2. */
const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];

/**
 * A response with what it must take from its request: Via, From, To, Call-ID, CSeq, and in a 100 Timestamp (RFC 3261
 * §8.2.6). It gets no tag here and nothing is parsed, so that also a malformed request can be answered.
 */
export function respondTo(request: SipRequest, status: number, reason: string = reasonPhrase(status)): SipResponse {
  const headers = new Headers().copyFrom(request.headers, copied);
  const timestamp = status === 100 ? request.headers.get('Timestamp') : undefined;
  if (timestamp !== undefined) headers.append('Timestamp', timestamp);
  return new SipResponse(status, reason, headers);
}

/** The To tag of a message; '' where there is none, or the To cannot be read. */
export function toTagOf(message: SipMessage): string {
  try {
    return tagOf(message.to);
  } catch {
    return '';
  }
}

/** Gives a response the To tag, unless it has one. */
export function tagged(response: SipResponse, tag: string): SipResponse {
  const to = response.headers.get('To');
  if (to !== undefined && toTagOf(response) === '') response.headers.set('To', `${to};tag=${tag}`);
  return response;
}
