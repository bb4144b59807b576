import { codeOf, type Fault } from '../../../policies/fault.ts';
import { reasons } from '../../../policies/reasons.ts';
import { type SipMessage, SipResponse } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';

/** What a response repeats of its request (RFC 3261 §8.2.6.2). */
const REPEATED = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];

/**
 * The last word to a peer whose message cannot be delimited: 400 or 513, stateless and without a tag. Undefined where
 * there is nobody to tell: it is no request, an ACK, or has no Via that can be read.
 */
export function refusalOf(message: SipMessage, fault: Fault): Buffer | undefined {
  if (message.kind === 'response' || message.method === 'ACK') return undefined;
  try {
    if (message.topVia.host === '') return undefined;
    const response = new SipResponse(reasons[codeOf(fault)].sip, fault.message.replace(/\.$/, ''));
    for (const name of REPEATED) {
      for (const value of message.headers.all(name)) response.headers.add(name, value);
    }
    return serialise(response);
  } catch {
    return undefined;
  }
}
