import { Headers } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
import { formatNameAddress } from '../message/name-address.ts';
import { methods, optionTags } from '../message/options.ts';
import { noParams } from '../message/params.ts';
import type { ExtraHeaders, OutRequest, Party } from '../port.ts';
import { setBody } from './body.ts';

/** Max-Forwards of what begins with us (RFC 3261 §8.1.1.6). */
export const FIRST_HOPS = 70;
export const ALLOW = methods.join(', ');
export const SUPPORTED = optionTags.join(', ');

/** What a request out of dialog is known by. */
export interface RequestIds {
  readonly callId: string;
  /** The tag of From, ours. */
  readonly tag: string;
  readonly cseq: number;
}

/** A request out of dialog (RFC 3261 §8.1.1), without Via and Contact. `hops` is written as it is given. */
export function newRequest(out: OutRequest, { callId, tag, cseq }: RequestIds): SipRequest {
  const request = new SipRequest(
    out.method,
    out.target,
    new Headers([
      ['Max-Forwards', String(out.hops ?? FIRST_HOPS)],
      ['From', `${addressOf(out.from)};tag=${tag}`],
      ['To', addressOf(out.to)],
      ['Call-ID', callId],
      ['CSeq', `${cseq} ${out.method}`],
    ]),
  );
  addHeaders(request, out.headers);
  if (out.body !== undefined) setBody(request, out.body);
  return request;
}

/** Adds headers behind those that are there. */
export function addHeaders(message: { readonly headers: Headers }, headers: ExtraHeaders | undefined): void {
  if (headers === undefined) return;
  for (const [name, value] of headers) message.headers.append(name, value);
}

function addressOf({ uri, display = '' }: Party): string {
  return formatNameAddress({ uri, display, params: noParams });
}
