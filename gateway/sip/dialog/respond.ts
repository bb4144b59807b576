import { codeOf } from '../../../policies/fault.ts';
import type { SipResponse } from '../message/message.ts';
import type { Answer } from '../port.ts';
import { respondTo } from '../transaction/response.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { setBody } from './body.ts';
import { ALLOW, addHeaders } from './request.ts';

/** Sends a final response. One that cannot be written becomes a 500, that the peer need not wait. */
export function answer(transaction: ServerTransaction, { status, reason, headers, body }: Answer): void {
  const response = respondTo(transaction.request, status, reason);
  addHeaders(response, headers);
  if (status === 405) response.headers.set('Allow', ALLOW);
  // RFC 3428 §7: the 2xx to a MESSAGE has no Contact.
  if (transaction.request.method === 'MESSAGE') response.headers.delete('Contact');
  if (body !== undefined) setBody(response, body);
  if (!wasSent(transaction, response)) transaction.respond(respondTo(transaction.request, 500));
}

/** Sends a response; false where it cannot be written, and then nothing was. */
export function wasSent(transaction: ServerTransaction, response: SipResponse): boolean {
  try {
    transaction.respond(response);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'sip-unsendable') throw error;
    return false;
  }
}

/** The answer to what came at a bad moment, and may come again after so many seconds. */
export function later(status: 500 | 503, seconds: number): Answer {
  return { status, headers: [['Retry-After', String(seconds)]] };
}
