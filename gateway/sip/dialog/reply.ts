import type { ReasonCode } from '../../../policies/reasons.ts';
import type { SipResponse } from '../message/message.ts';
import type { Body, ReadHeaders, Reply } from '../port.ts';
import { bodyOf } from './body.ts';

const none: ReadHeaders = { get: () => undefined, all: () => [] };

/** A final response of the peer as a {@link Reply}; read only where somebody looks. */
export class PeerReply implements Reply {
  readonly origin = 'peer';
  readonly #response: SipResponse;

  constructor(response: SipResponse) {
    this.#response = response;
  }

  get status(): number {
    return this.#response.status;
  }

  get reason(): string {
    return this.#response.reason;
  }

  get headers(): ReadHeaders {
    return this.#response.headers;
  }

  get body(): Body | undefined {
    return bodyOf(this.#response);
  }
}

/** What takes the place of a final response that never came. */
export function ownReply(status: number, reason: string, origin: Reply['origin']): Reply {
  return { status, reason, origin, headers: none };
}

/**
 * A request that failed below: `timeout` as 408, `transport` as 503 (RFC 3261 §8.1.3.1). One that was not sent has the
 * code of the registry as its reason, where it is known.
 */
export function failureReply(cause: 'timeout' | 'transport', unsent: boolean | undefined, why?: ReasonCode): Reply {
  if (unsent === true) return ownReply(503, why ?? 'Not Sent', 'unsent');
  return cause === 'timeout' ? ownReply(408, 'Request Timeout', cause) : ownReply(503, 'Connection Lost', cause);
}
