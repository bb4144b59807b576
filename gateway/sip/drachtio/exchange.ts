import { codeOf } from '../../../policies/fault.ts';
import { failureReply, ownReply, PeerReply } from '../dialog/reply.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { Reply } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { readRequest, readResponse } from './arrival.ts';
import { type Destination, requestContent } from './content.ts';
import type { Ground } from './ground.ts';
import type { LibraryAck, LibraryRequest, LibraryResponse, MessageContent } from './library.ts';
import type { Handed } from './link.ts';

/** The server gives a transaction up after 32 s and says so; one that it says nothing of is given up later, ms. */
const LIMIT_MS = 40_000;

export interface ExchangeUser {
  /** 101–199; `ack` is the PRACK. */
  provisional?(response: SipResponse, ack: Acknowledge): void;
  /** The final response of the peer. `dialogId`: what the server calls the dialog. */
  final(response: SipResponse, given: { readonly ack: Acknowledge; readonly dialogId: string }): void;
  /** What took its place. */
  failed(reply: Reply): void;
}

export type Acknowledge = (content?: MessageContent) => void;

/** One request of ours at the server, from its handing over to its end. Nothing is told before the constructor is done. */
export class ClientExchange implements Handed {
  readonly #ground: Ground;
  readonly #user: ExchangeUser;
  readonly #isInvite: boolean;
  #sent: LibraryRequest | undefined;
  /** The sequence number that the request went out with; 0 before it did. */
  cseq = 0;
  #cancelled = false;
  #over = false;
  #timer: Timer | undefined;

  constructor(ground: Ground, request: SipRequest, destination: Destination, user: ExchangeUser) {
    this.#ground = ground;
    this.#user = user;
    this.#isInvite = request.method === 'INVITE';
    if (!this.#isInvite) this.#wait();
    try {
      ground.link.send(requestContent(request, destination), this);
    } catch (error) {
      const reply = ownReply(codeOf(error) === 'sip-too-big' ? 513 : 400, codeOf(error), 'unsent');
      setImmediate(() => this.#fail(reply));
    }
  }

  /** INVITE: the server sends the CANCEL as soon as a provisional response is in (RFC 3261 §9.1). */
  cancel(): void {
    if (this.#over || this.#cancelled) return;
    this.#cancelled = true;
    this.#wait();
    if (this.#sent !== undefined) this.#sendCancel(this.#sent);
  }

  sent(request: LibraryRequest): void {
    this.#sent = request;
    this.cseq = cseqOf(request);
    request.on('response', (response: LibraryResponse, ack: LibraryAck) => {
      this.#ground.guarded(() => this.#responded(response, ack));
    });
    // An UPDATE in an early dialog, for which there is nobody to ask (RFC 3311 §5.2).
    request.on('update', (_update: LibraryRequest, response: LibraryResponse) => {
      response.send(500, 'Server Internal Error', { headers: { 'retry-after': '2' } }, () => undefined);
    });
    if (this.#cancelled) this.#sendCancel(request);
  }

  refused(why: string): void {
    const gone = /unable to find dialog/i.test(why);
    this.#fail(gone ? ownReply(481, 'Call Does Not Exist', 'unsent') : failureReply('transport', true));
  }

  lost(): void {
    this.#fail(failureReply('transport', this.#sent === undefined ? undefined : false));
  }

  #responded(library: LibraryResponse, ack: LibraryAck): void {
    if (this.#over) return;
    const response = readResponse(library.raw);
    const { status } = library;
    const acknowledge = (content?: MessageContent): void => acknowledged(ack, content);
    if (status < 200) {
      if (response !== undefined && status > 100) this.#user.provisional?.(response, acknowledge);
      return;
    }
    if (response === undefined) {
      this.#fail(ownReply(500, 'Malformed Response', 'transport'));
      return;
    }
    this.#end();
    // It names no sender of what it made up in place of a response.
    if (library.source_address === '' && (status === 408 || status === 503)) {
      this.#user.failed(failureReply(status === 408 ? 'timeout' : 'transport', false));
    } else this.#user.final(response, { ack: acknowledge, dialogId: library.stackDialogId ?? '' });
  }

  #sendCancel(request: LibraryRequest): void {
    try {
      request.cancel(() => undefined);
    } catch {
      // The server has gone in this very turn, and we are told next.
    }
  }

  #wait(): void {
    this.#timer?.clear();
    this.#timer = this.#ground.clock.setTimeout(() => this.#fail(failureReply('timeout', false)), LIMIT_MS);
  }

  #fail(reply: Reply): void {
    if (this.#over) return;
    this.#end();
    this.#user.failed(reply);
  }

  #end(): void {
    this.#over = true;
    this.#timer?.clear();
    this.#ground.link.done(this);
  }
}

export interface Exchanged {
  readonly reply: Reply;
  readonly response: SipResponse | undefined;
  /** What the server calls the dialog; '' for none. */
  readonly dialogId: string;
  /** The sequence number that the request went out with; 0 where it did not. */
  readonly cseq: number;
}

/** Sends a request other than INVITE and waits for its end. Never rejects. */
export function exchange(ground: Ground, request: SipRequest, destination: Destination): Promise<Exchanged> {
  return new Promise((resolve) => {
    const sent = new ClientExchange(ground, request, destination, {
      final: (response, { dialogId }) =>
        resolve({ reply: new PeerReply(response), response, dialogId, cseq: sent.cseq }),
      failed: (reply) => resolve({ reply, response: undefined, dialogId: '', cseq: sent.cseq }),
    });
  });
}

/** drachtio-srf asserts that its connection stands. */
function acknowledged(ack: LibraryAck, content: MessageContent | undefined): void {
  try {
    ack(content);
  } catch {
    // The server has gone, and with it the dialog.
  }
}

function cseqOf({ raw }: LibraryRequest): number {
  const request = readRequest(raw);
  return request?.fault === undefined ? (request?.request.cseq.number ?? 0) : 0;
}
