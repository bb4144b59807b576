import { createHash } from 'node:crypto';
import type { SipRequest } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import { formatVia, type Via } from '../message/via.ts';
import type { Flow } from '../transport/flow.ts';

/** What a branch of RFC 3261 begins with (§8.1.1.7). */
export const MAGIC_COOKIE = 'z9hG4bK';

/** Whether a branch is one of RFC 3261: tokens know no case (§7.3.1). */
export function isMagic(branch: string): boolean {
  return branch.slice(0, MAGIC_COOKIE.length).toLowerCase() === 'z9hg4bk';
}

/**
 * What tells server transactions apart: branch, sent-by and method (RFC 3261 §17.2.3; ACK and CANCEL ask with that of
 * the INVITE), and the peer, lest one trunk reach into the transactions of another by guessing.
 */
export function serverKey(peer: string, via: Via, method: string): string {
  return `${method} ${via.branch} ${sentByOf(via)} ${peer}`;
}

/** What tells client transactions apart: our branch and the method of the CSeq (§17.1.3), and the peer. */
export function clientKey(peer: string, branch: string, method: string): string {
  return `${method} ${branch} ${peer}`;
}

/** What two copies of one request have in common (§8.2.2.2). */
export function mergedKey(peer: string, request: SipRequest): string {
  const { number, method } = request.cseq;
  return `${method} ${number} ${tagOf(request.from)} ${request.callId} ${peer}`;
}

/** The sent-by of a Via, `host` or `host:port`, in lower case. */
export function sentByOf({ host, port }: Via): string {
  return (port === undefined ? host : `${host}:${port}`).toLowerCase();
}

/** Who is at the other end where nobody says so: whoever holds the key of the certificate, else the address. */
export function peerByCertificate({ peer, remote }: Flow): string {
  const [leaf] = peer.chain;
  return leaf === undefined ? remote.host : createHash('sha256').update(leaf).digest('base64');
}

/**
 * Notes in the top Via where the request came from: `received` where the sent-by is not that address (RFC 3261
 * §18.2.1), and `rport` where it is asked for (RFC 3581 §4). Returns the top Via as it is then.
 */
export function stampVia(request: SipRequest, { remote }: Flow): Via {
  const via = request.topVia;
  const fromThere = via.host === remote.host || via.host === `[${remote.host}]`;
  const asked = via.params.has('rport');
  if (fromThere && !asked && !via.params.has('received')) return via;
  const params = new Map(via.params);
  if (fromThere && !asked) params.delete('received');
  else params.set('received', remote.host);
  if (asked) params.set('rport', String(remote.port));
  request.headers.deleteFirst('Via').addFirst('Via', formatVia({ ...via, params }));
  return request.topVia;
}
