import type { SipResponse } from '../message/message.ts';
import type { Body, Progress, ReadHeaders, Sdp, Session } from '../port.ts';
import { bodyOf } from './body.ts';

/** A provisional response of the peer as the gateway sees it. */
export class ReceivedProgress implements Progress {
  readonly sdp: Sdp | undefined;
  readonly fork: string;
  /** The early dialog, in which UPDATE and other requests may come and go before the answer. */
  readonly session: Session | undefined;
  readonly #response: SipResponse;

  constructor(response: SipResponse, sdp: Sdp | undefined, fork: string, session: Session | undefined) {
    this.#response = response;
    this.sdp = sdp;
    this.fork = fork;
    this.session = session;
  }

  get status(): number {
    return this.#response.status;
  }

  get headers(): ReadHeaders {
    return this.#response.headers;
  }

  get body(): Body | undefined {
    return bodyOf(this.#response);
  }
}
