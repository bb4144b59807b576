import { isUtf8 } from 'node:buffer';
import { Fault } from '../../../policies/fault.ts';
import { setSdp } from '../dialog/body.ts';
import { type SipMessage, SipRequest, type SipResponse } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import type { MessageContent, RequestContent } from './library.ts';

/** The server reads five digits of a length, and ends the connection past them: room is left for its own tokens. */
const MOST_BYTES = 98_000;
/** What the server writes itself; Content-Length counts characters in drachtio-srf. */
const OWN: ReadonlySet<string> = new Set(['Content-Length', 'Via']);
/** What it also writes itself in a response, and in a request within a dialog. */
const OF_DIALOG: ReadonlySet<string> = new Set([...OWN, 'From', 'To', 'Call-ID', 'CSeq', 'Record-Route', 'Route']);
/** Stands for the sequence number that the server chooses for what begins: it must know it for the ACK. */
export const FIRST_CSEQ = 1;
const FIRST: ReadonlySet<string> = new Set([...OWN, 'CSeq']);
/** Stands for the target of a dialog, which the server knows. */
export const DIALOG_TARGET = 'sip:placeholder';

/** The next hop, or the dialog; `stackDialogId` comes first. */
export interface Destination {
  readonly dialogId?: string | undefined;
  readonly proxy?: string | undefined;
}

/** A request as drachtio-srf takes it. Throws Fault `sip-unsendable`, and `sip-too-big` for what the server would not read. */
export function requestContent(request: SipRequest, { dialogId, proxy }: Destination): RequestContent {
  checkSendable(request);
  // It stands in the line that the server divides at `|`.
  if (proxy !== undefined && /[\s|]/.test(proxy)) throw new Fault('sip-unsendable', 'The next hop is no URI.');
  const { method, uri } = request;
  if (dialogId !== undefined) return { method, stackDialogId: dialogId, ...messageContent(request, OF_DIALOG) };
  return {
    method,
    uri,
    ...messageContent(request, isFirst(request) ? FIRST : OWN),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

/** A response as drachtio-srf takes it. Throws as {@link requestContent}. */
export function responseContent(response: SipResponse): MessageContent {
  checkSendable(response);
  return messageContent(response, OF_DIALOG);
}

/** An ACK with a session description. Throws as {@link requestContent}. */
export function ackContent(sdp: string): MessageContent {
  const ack = new SipRequest('ACK', DIALOG_TARGET);
  setSdp(ack, sdp);
  checkSendable(ack);
  return messageContent(ack, OF_DIALOG);
}

/** drachtio-srf writes what it is given: everything that goes there is checked where our own stack checks it. */
function checkSendable(message: SipMessage): void {
  const { length } = serialise(message);
  if (length > MOST_BYTES) throw new Fault('sip-too-big', 'The message is larger than a drachtio server reads.');
  // The body becomes text on the way, and the text of C.
  if (message.body.includes(0) || !isUtf8(message.body)) {
    throw new Fault('sip-unsendable', 'A body that is no text does not pass drachtio.');
  }
}

function messageContent({ headers, body }: SipMessage, left: ReadonlySet<string>): MessageContent {
  // Without a prototype, for names are the gateway's to choose.
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) {
    if (left.has(name)) continue;
    const key = name.toLowerCase();
    // One field for each name is all that drachtio-srf knows.
    fields[key] = fields[key] === undefined ? value : `${fields[key]}, ${value}`;
  }
  return { headers: fields, ...(body.length === 0 ? {} : { body: body.toString() }) };
}

function isFirst({ headers }: SipRequest): boolean {
  return headers.get('CSeq')?.startsWith(`${FIRST_CSEQ} `) === true;
}
