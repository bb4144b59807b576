import type { SipRequest } from '../message/message.ts';
import type { NameAddress } from '../message/name-address.ts';
import type { Body, InRequest, Party, ReadHeaders, Session, Trunk } from '../port.ts';
import { bodyOf } from './body.ts';

/** A request of the peer as the gateway sees it; read only where somebody looks. */
export class IncomingRequest implements InRequest {
  readonly trunk: Trunk;
  readonly session: Session | undefined;
  readonly #request: SipRequest;

  constructor(trunk: Trunk, request: SipRequest, session?: Session) {
    this.trunk = trunk;
    this.session = session;
    this.#request = request;
  }

  get method(): string {
    return this.#request.method;
  }

  get target(): string {
    return this.#request.uri;
  }

  get from(): Party {
    return partyOf(this.#request.from);
  }

  get to(): Party {
    return partyOf(this.#request.to);
  }

  get callId(): string {
    return this.#request.callId;
  }

  get hops(): number {
    return hopsOf(this.#request);
  }

  /** Max-Breadth is among them (RFC 5393 §5). */
  get headers(): ReadHeaders {
    return this.#request.headers;
  }

  get body(): Body | undefined {
    return bodyOf(this.#request);
  }
}

export function partyOf({ uri, display }: NameAddress): Party {
  return { uri, display: display === '' ? undefined : display };
}

/** The hops a request has left; 70 where it says nothing (RFC 3261 §16.6). */
export function hopsOf(request: SipRequest): number {
  return request.maxForwards ?? 70;
}
