import { codeOf } from '../../../policies/fault.ts';
import { setBody } from '../dialog/body.ts';
import { ALLOW, addHeaders } from '../dialog/request.ts';
import { SipRequest, SipResponse } from '../message/message.ts';
import { parseHead } from '../message/parse.ts';
import { type SyntaxFault, syntaxFault } from '../message/syntax.ts';
import type { Answer } from '../port.ts';
import { reasonPhrase } from '../transaction/reason-phrases.ts';
import { responseContent } from './content.ts';
import type { LibraryRequest, LibraryResponse } from './library.ts';

/** Status codes that drachtio-srf knows, between 200 and 699; it throws for any other. */
const KNOWN: ReadonlySet<number> = new Set(
  (
    '200 202 204 300 301 302 305 380 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 420 421 ' +
    '422 423 424 428 429 430 433 436 437 438 439 470 480 481 482 483 484 485 486 487 488 489 491 493 494 500 501 502 ' +
    '503 504 505 513 580 600 603 604 606'
  )
    .split(' ')
    .map(Number),
);

/** What the server told of a response of ours once it was sent. */
export interface SentResponse {
  /** The server's name of the dialog; undefined where there is none. */
  readonly dialogId: string | undefined;
}

/** A request that a peer sent, read by our own parser, and the way to answer it. */
export class Arrival {
  readonly request: SipRequest;
  readonly address: string;
  readonly protocol: string;
  /** The dialog that the server found it to belong to; '' where to none. */
  readonly dialogId: string;
  readonly #library: LibraryRequest;
  readonly #response: LibraryResponse;
  readonly #guarded: (run: () => void) => void;
  #answered = false;

  /** @param guarded runs what must not throw within an event of drachtio-srf. */
  constructor(
    library: LibraryRequest,
    response: LibraryResponse,
    request: SipRequest,
    guarded: (run: () => void) => void,
  ) {
    this.request = request;
    this.address = library.source_address;
    this.protocol = library.protocol;
    this.dialogId = library.stackDialogId ?? '';
    this.#library = library;
    this.#response = response;
    this.#guarded = guarded;
  }

  /** Whether a final response was given. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Calls back when a CANCEL of the peer is in: then the server has answered with 487 itself. */
  onCancel(cancelled: () => void): void {
    this.#library.on('cancel', (cancel?: { readonly raw?: string }) => {
      // drachtio-srf tells INVITEs apart by Call-ID alone.
      if (!isOfSameDialog(cancel?.raw, this.request)) return;
      this.#answered = true;
      this.#guarded(cancelled);
    });
  }

  /** The final response; the first one counts. What cannot be sent becomes a 500, that the peer need not wait. */
  answer(given: Answer, sent: (sent: SentResponse | Error) => void = () => undefined): void {
    if (this.#answered) return;
    this.#answered = true;
    try {
      this.#send(responseOf(given), sent);
    } catch (error) {
      this.#send(new SipResponse(500, reasonPhrase(500)), () => undefined);
      sent(error instanceof Error ? error : new Error(codeOf(error)));
    }
  }

  /** A provisional response. Throws Fault `sip-unsendable`. */
  provisional(response: SipResponse, sent: (sent: SentResponse | Error) => void): void {
    if (!this.#answered) this.#send(response, sent);
  }

  #send(response: SipResponse, sent: (sent: SentResponse | Error) => void): void {
    const { status, reason } = response;
    const content = responseContent(response);
    this.#response.send(sendableStatus(status), reason, content, (error) => {
      const told =
        error !== null && error !== undefined
          ? new Error(String(error))
          : { dialogId: this.#response.stackDialogId || undefined };
      this.#guarded(() => sent(told));
    });
  }
}

/** A response of ours without what the server writes. */
export function responseOf({ status, reason, headers, body }: Answer): SipResponse {
  const response = new SipResponse(status, reason ?? reasonPhrase(status));
  addHeaders(response, headers);
  if (status === 405) response.headers.set('Allow', ALLOW);
  if (body !== undefined) setBody(response, body);
  return response;
}

/** Reads a request; with what is wrong with it, undefined where it cannot be read at all. */
export function readRequest(raw: string): { readonly request: SipRequest; readonly fault?: SyntaxFault } | undefined {
  const message = readMessage(raw);
  if (!(message instanceof SipRequest)) return undefined;
  const fault = syntaxFault(message);
  return fault === undefined ? { request: message } : { request: message, fault };
}

/** Reads a response; undefined for one that is malformed. */
export function readResponse(raw: string): SipResponse | undefined {
  const message = readMessage(raw);
  return message instanceof SipResponse && syntaxFault(message) === undefined ? message : undefined;
}

/** The server has measured the body; Content-Length no longer fits what became text. */
function readMessage(raw: string): SipRequest | SipResponse | undefined {
  const end = raw.indexOf('\r\n\r\n');
  try {
    const message = parseHead(Buffer.from(end < 0 ? raw : raw.slice(0, end)));
    if (end >= 0) message.body = Buffer.from(raw.slice(end + 4));
    return message;
  } catch {
    return undefined;
  }
}

/** RFC 3261 §8.1.3.2: an unknown status means what the x00 of its class means. */
function sendableStatus(status: number): number {
  return status < 200 || KNOWN.has(status) ? status : Math.floor(status / 100) * 100;
}

function isOfSameDialog(raw: string | undefined, invite: SipRequest): boolean {
  const cancel = readRequest(raw ?? '')?.request;
  if (cancel === undefined) return true;
  try {
    return cancel.cseq.number === invite.cseq.number && cancel.from.params.get('tag') === invite.from.params.get('tag');
  } catch {
    return false;
  }
}
