import type { SipMessage } from '../message/message.ts';
import { bodyPartOf } from '../message/multipart.ts';
import type { Body, Sdp } from '../port.ts';

export const SDP_TYPE = 'application/sdp';

/** The body of a message; undefined where it is empty. */
export function bodyOf({ headers, body }: SipMessage): Body | undefined {
  if (body.length === 0) return undefined;
  return { type: headers.get('Content-Type') ?? '', content: body };
}

/** The session description in a message, also as one part of several; undefined where there is none that can be read. */
export function sdpOf({ headers, body }: SipMessage): Sdp | undefined {
  const type = headers.get('Content-Type');
  if (body.length === 0 || type === undefined) return undefined;
  return type === SDP_TYPE ? body.toString() : sdpPart({ type, content: body });
}

/** {@link sdpOf} for a body by itself. */
export function sdpPart({ type, content }: Body): Sdp | undefined {
  try {
    return bodyPartOf(SDP_TYPE, type, content)?.content.toString();
  } catch {
    return undefined;
  }
}

/** Puts a body into a message. */
export function setBody(message: SipMessage, { type, content }: Body): void {
  message.headers.set('Content-Type', type);
  message.body = content;
}

/** Puts a session description into a message; none, none. */
export function setSdp(message: SipMessage, sdp: Sdp | undefined): void {
  if (sdp !== undefined) setBody(message, { type: SDP_TYPE, content: Buffer.from(sdp) });
}
