import { codeOf } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { ExtraHeaders, Reply } from '../port.ts';
import type { ClientUser } from '../transaction/transaction.ts';
import type { Dialog } from './dialog.ts';
import type { Outbound, SentRequest } from './outbound.ts';
import { failureReply, ownReply, PeerReply } from './reply.ts';

/** How often one request is sent again with credentials: once, and once more for a nonce that grew stale. */
const CHALLENGES = 2;

export interface ExchangeOptions {
  /** Makes the request; again with a new sequence number, and with these headers, where it was challenged. */
  build(credentials: ExtraHeaders): SipRequest;
  /** The dialog it belongs to. */
  readonly dialog?: Dialog | undefined;
  /** Told once it is sent: what gives an INVITE up. */
  sent?(sent: SentRequest): void;
  /** A 2xx to INVITE that came again. */
  repeated?(response: SipResponse): void;
}

/** The final response, or what took its place. */
export interface Exchanged {
  readonly reply: Reply;
  readonly response: SipResponse | undefined;
  readonly request: SipRequest;
}

/** Sends a request and waits for its end, with an answer to a challenge inside (RFC 3261 §22). Never rejects. */
export async function exchange(outbound: Outbound, options: ExchangeOptions): Promise<Exchanged> {
  let credentials: ExtraHeaders = [];
  for (let challenges = 0; ; challenges += 1) {
    const request = options.build(credentials);
    const exchanged = await new Promise<Exchanged>((resolve) => new Exchange(outbound, request, options, resolve));
    const more =
      challenges < CHALLENGES ? await credentialsFor(outbound, exchanged.request, exchanged.reply) : undefined;
    if (more === undefined) return exchanged;
    credentials = more;
  }
}

/** What answers the challenge in a reply; undefined where there is none, or no answer to it. */
export async function credentialsFor(
  outbound: Outbound,
  request: SipRequest,
  reply: Reply,
): Promise<ExtraHeaders | undefined> {
  if (reply.status !== 401 && reply.status !== 407) return undefined;
  return outbound.authorize?.(request, reply).catch(() => undefined);
}

/** Hands a request over; what cannot be written counts as not sent. */
export function sendRequest(
  outbound: Outbound,
  request: SipRequest,
  user: ClientUser,
  dialog: Dialog | undefined,
): SentRequest | Reply {
  try {
    return outbound.send(request, { user, prefer: dialog?.flow, dialog: dialog !== undefined });
  } catch (error) {
    return ownReply(400, codeOf(error), 'unsent');
  }
}

/** One request under way. */
class Exchange implements ClientUser {
  readonly #request: SipRequest;
  readonly #options: ExchangeOptions;
  readonly #resolve: (exchanged: Exchanged) => void;
  #sent: SentRequest | undefined;
  #over = false;

  constructor(
    outbound: Outbound,
    request: SipRequest,
    options: ExchangeOptions,
    resolve: (exchanged: Exchanged) => void,
  ) {
    this.#request = request;
    this.#options = options;
    this.#resolve = resolve;
    const sent = sendRequest(outbound, request, this, options.dialog);
    if ('status' in sent) this.#end(sent);
    else {
      this.#sent = sent;
      options.sent?.(sent);
    }
  }

  provisional(): void {}

  final(response: SipResponse): void {
    if (this.#over) {
      this.#options.repeated?.(response);
      return;
    }
    const { dialog } = this.#options;
    if (dialog !== undefined && this.#sent?.flow !== undefined) dialog.flow = this.#sent.flow;
    this.#end(new PeerReply(response), response);
  }

  failed(cause: 'timeout' | 'transport', unsent?: boolean, why?: ReasonCode): void {
    if (!this.#over) this.#end(failureReply(cause, unsent, why));
  }

  #end(reply: Reply, response?: SipResponse): void {
    this.#over = true;
    this.#resolve({ reply, response, request: this.#request });
  }
}
