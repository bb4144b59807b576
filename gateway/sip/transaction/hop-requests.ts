import { Headers } from '../message/headers.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import type { ExtraHeaders } from '../port.ts';

/** The ACK to a final response other than 2xx (RFC 3261 §17.1.1.3): every Route of the INVITE, the To of the response. */
export function ackTo(invite: SipRequest, response: SipResponse): SipRequest {
  return along(invite, 'ACK', response.headers.get('To') ?? '');
}

/** The CANCEL of an INVITE (RFC 3261 §9.1), such as with a Reason (RFC 3326) in addition. */
export function cancelOf(invite: SipRequest, extra: ExtraHeaders = []): SipRequest {
  const cancel = along(invite, 'CANCEL', invite.headers.get('To') ?? '');
  for (const [name, value] of extra) cancel.headers.add(name, value);
  return cancel;
}

/** A request of one hop that belongs to the INVITE by its top Via. */
function along(invite: SipRequest, method: string, to: string): SipRequest {
  const given = invite.headers;
  const headers = new Headers().append('Via', given.get('Via') ?? '').append('Max-Forwards', '70');
  for (const route of given.lines('Route')) headers.append('Route', route);
  headers
    .append('From', given.get('From') ?? '')
    .append('To', to)
    .append('Call-ID', given.get('Call-ID') ?? '')
    .append('CSeq', `${invite.cseq.number} ${method}`);
  return new SipRequest(method, invite.uri, headers);
}
