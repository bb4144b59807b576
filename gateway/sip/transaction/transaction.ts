import type { ReasonCode } from '../../../policies/reasons.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { ExtraHeaders } from '../port.ts';
import type { Flow } from '../transport/flow.ts';

/** States of RFC 3261 §17.1 with those of RFC 6026 §7.2; `completed` lasts no time on reliable transports. */
export type ClientState = 'calling' | 'trying' | 'proceeding' | 'accepted' | 'terminated';
/** States of RFC 3261 §17.2 with those of RFC 6026 §7.1; `confirmed` lasts no time on reliable transports. */
export type ServerState = 'trying' | 'proceeding' | 'completed' | 'accepted' | 'terminated';

/** Who sent a request; told of nothing more after a final response that is no 2xx to INVITE, or after `failed`. */
export interface ClientUser {
  /** Every 1xx, the 100 too. */
  provisional(response: SipResponse): void;
  /** The final response. Of an INVITE each 2xx comes, also repeats and those of other forks (RFC 6026 §7.2). */
  final(response: SipResponse): void;
  /**
   * No final response will come: `timeout` of timer B or F, or of the time after a CANCEL; `transport` where the flow
   * has gone. `unsent`: nothing was written at all; `why` then says what stood in the way, where that is known.
   */
  failed(cause: 'timeout' | 'transport', unsent?: boolean, why?: ReasonCode): void;
}

export interface ClientTransaction {
  /** As sent, with our Via; its body is dropped once it is written. */
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly state: ClientState;
  /**
   * Gives an INVITE up: CANCEL goes out as soon as a 1xx has come (RFC 3261 §9.1), and 487, another final response or
   * a timeout follows. Of no effect on other requests, or behind a final response.
   */
  cancel(headers?: ExtraHeaders): void;
}

export interface ServerTransaction {
  readonly request: SipRequest;
  /** Where its responses go: the connection on which the request, or its latest repetition, came. */
  readonly flow: Flow;
  readonly state: ServerState;
  /** The To tag of our responses where the request had none (RFC 3261 §8.2.6.2, §9.2): 128 bits, always the same. */
  readonly tag: string;
  /**
   * Sends a response; one without a To tag, other than 100, gets {@link tag}. A 2xx to INVITE may be repeated for 64*T1
   * (RFC 3261 §13.3.1.4); what else follows a final response is dropped.
   *
   * @throws Fault `sip-unsendable`, with nothing changed
   */
  respond(response: SipResponse): void;
  /** Behind a refusal: ends it at once, without its ACK. Who is nobody's peer gets no place for 64*T1. */
  forget(): void;
  /** A final response was given, or the time for it is over. */
  readonly ended: boolean;
}

/** What stands above the transactions. */
export interface TransactionUser {
  /** A new request. A Fault `sip-malformed` that it throws becomes 400. */
  request(transaction: ServerTransaction): void;
  /** ACK that belongs to a 2xx. */
  ack(ack: SipRequest, flow: Flow): void;
  /** CANCEL before a final response, at most once; its 200 is sent already, the 487 to the INVITE is the user's. */
  cancelled(transaction: ServerTransaction, cancel: SipRequest): void;
  /** A 2xx to an INVITE whose transaction is gone. */
  response(response: SipResponse, flow: Flow): void;
  /** Its flow went before a final response, and no other leads to the peer. */
  lost(transaction: ServerTransaction): void;
}
