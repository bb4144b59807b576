import { Headers } from '../message/headers.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import { parseNameAddress, tagOf } from '../message/name-address.ts';
import { ownCopy } from '../message/text.ts';
import { parseUri } from '../message/uri.ts';
import type { Party } from '../port.ts';
import type { Flow } from '../transport/flow.ts';
import { partyOf } from './incoming-request.ts';
import { FIRST_HOPS } from './request.ts';

interface DialogState {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** From of our requests, with our tag. */
  readonly local: string;
  /** To of our requests, with the peer's tag. */
  readonly remote: string;
  readonly localCseq: number;
  /** −1 where the peer has sent no request yet. */
  readonly remoteCseq: number;
  readonly target: string;
  readonly routes: readonly string[];
  readonly initiator: boolean;
  readonly flow: Flow | undefined;
}

/** The state of one dialog, RFC 3261 §12.1: identifiers, sequence numbers, remote target and route set. */
export class Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** Whether we sent the request that began it, and so made the Call-ID. */
  readonly initiator: boolean;
  /** The flow used last, either way; the dialog outlives it. */
  flow: Flow | undefined;
  readonly #local: string;
  readonly #remote: string;
  #localCseq: number;
  #remoteCseq: number;
  #target: string;
  #routes: readonly string[];

  private constructor(state: DialogState) {
    this.callId = ownCopy(state.callId);
    this.localTag = state.localTag;
    this.remoteTag = ownCopy(state.remoteTag);
    this.initiator = state.initiator;
    this.flow = state.flow;
    this.#local = ownCopy(state.local);
    this.#remote = ownCopy(state.remote);
    this.#localCseq = state.localCseq;
    this.#remoteCseq = state.remoteCseq;
    this.#target = ownCopy(state.target);
    this.#routes = state.routes.length === 0 ? noRoutes : state.routes.map(ownCopy);
  }

  /** The caller's side, from a response with a To tag, or none in it (RFC 3261 §12.1.2). */
  static ofResponse(request: SipRequest, response: SipResponse, flow: Flow | undefined): Dialog {
    return new Dialog({
      callId: request.callId,
      localTag: tagOf(request.from),
      remoteTag: tagOf(response.to),
      local: request.headers.get('From') ?? '',
      remote: response.headers.get('To') ?? '',
      localCseq: request.cseq.number,
      remoteCseq: -1,
      target: contactOf(response) ?? request.uri,
      routes: routesOf(response),
      initiator: true,
      flow,
    });
  }

  /** The side of who is asked, from the request, with the tag that our responses carry (RFC 3261 §12.1.1). */
  static ofRequest(request: SipRequest, localTag: string, flow: Flow | undefined): Dialog {
    return new Dialog({
      callId: request.callId,
      localTag,
      remoteTag: tagOf(request.from),
      local: `${request.headers.get('To')};tag=${localTag}`,
      remote: request.headers.get('From') ?? '',
      localCseq: 0,
      remoteCseq: request.cseq.number,
      target: contactOf(request) ?? request.from.uri,
      routes: request.headers.all('Record-Route'),
      initiator: false,
      flow,
    });
  }

  get remote(): Party {
    return partyOf(parseNameAddress(this.#remote));
  }

  /** The sequence number of our latest request. */
  get localCseq(): number {
    return this.#localCseq;
  }

  /** The URI that our requests go to. */
  get target(): string {
    return this.#target;
  }

  /** A new request within the dialog, without Via and Contact (RFC 3261 §12.2.1.1). */
  request(method: string): SipRequest {
    this.#localCseq += 1;
    return this.#build(method, this.#localCseq);
  }

  /** The ACK to a 2xx of an INVITE of ours, by its sequence number (RFC 3261 §13.2.2.4). */
  ack(cseq: number): SipRequest {
    return this.#build('ACK', cseq);
  }

  /** Takes the sequence number of a request of the peer; false where it is out of order (RFC 3261 §12.2.2). */
  receive(cseq: number): boolean {
    if (cseq < this.#remoteCseq) return false;
    this.#remoteCseq = cseq;
    return true;
  }

  /** The 2xx to our INVITE makes an early dialog a confirmed one: its route set counts (RFC 3261 §13.2.2.4). */
  confirm(response: SipResponse): void {
    this.refresh(response);
    this.#routes = routesOf(response).map(ownCopy);
  }

  /** Takes the Contact of a target refresh as the remote target, if it has one (RFC 3261 §12.2.1.2). */
  refresh(message: SipRequest | SipResponse): void {
    const target = contactOf(message);
    if (target !== undefined && target !== this.#target) this.#target = ownCopy(target);
  }

  #build(method: string, cseq: number): SipRequest {
    const [first] = this.#routes;
    const strict = first === undefined ? undefined : strictTarget(first);
    const headers = new Headers();
    if (strict === undefined) for (const route of this.#routes) headers.append('Route', route);
    else for (const route of [...this.#routes.slice(1), `<${this.#target}>`]) headers.append('Route', route);
    headers
      .append('Max-Forwards', String(FIRST_HOPS))
      .append('From', this.#local)
      .append('To', this.#remote)
      .append('Call-ID', this.callId)
      .append('CSeq', `${cseq} ${method}`);
    return new SipRequest(method, strict ?? this.#target, headers);
  }
}

const noRoutes: readonly string[] = [];

/** Record-Route from the caller's side (RFC 3261 §12.1.2). */
function routesOf(response: SipResponse): string[] {
  return response.headers.all('Record-Route').toReversed();
}

/** The Contact; undefined where there is none, or none that a request could go to. */
function contactOf(message: SipRequest | SipResponse): string | undefined {
  try {
    const uri = message.contact?.uri;
    return uri === undefined || parseUri(uri) === undefined ? undefined : uri;
  } catch {
    return undefined;
  }
}

/**
 * The Request-URI where the first route is a strict router, which a URI without `lr` tells (RFC 3261 §12.2.1.1). A route
 * that cannot be read is the next hop's matter.
 */
function strictTarget(route: string): string | undefined {
  try {
    const { uri } = parseNameAddress(route);
    const parsed = parseUri(uri);
    return parsed === undefined || parsed.params.has('lr') ? undefined : uri.split('?', 1)[0];
  } catch {
    return undefined;
  }
}
