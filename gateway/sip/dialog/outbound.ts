import type { SipRequest } from '../message/message.ts';
import type { ExtraHeaders, Reply } from '../port.ts';
import type { ClientUser } from '../transaction/transaction.ts';
import type { Flow } from '../transport/flow.ts';

export interface SendOptions {
  /**
   * Hears what becomes of the request, and nothing before {@link Outbound.send} has returned. `failed('transport')`
   * comes only when every target failed, with `unsent` where nothing was written to any of them.
   */
  readonly user: ClientUser;
  /** The flow that the dialog used last; another one is taken where it is gone. */
  readonly prefer?: Flow | undefined;
  /** Whether the request is one within a dialog, and so goes where its Route and Request-URI lead. */
  readonly dialog: boolean;
}

/** A request that {@link Outbound.send} took. */
export interface SentRequest {
  /** The flow it went out on; undefined before one was found. */
  readonly flow: Flow | undefined;
  /** INVITE only: CANCEL, as soon as a provisional response is in (RFC 3261 §9.1); what is not sent yet never is, and fails `unsent`. */
  cancel(headers?: ExtraHeaders): void;
}

/** Sends the requests of one trunk on their way: finds the flow and fails over to the next target (RFC 3263 §4.3). */
export interface Outbound {
  /** Throws `Fault('sip-unsendable')` where a value cannot be written. */
  send(request: SipRequest, options: SendOptions): SentRequest;
  /** The ACK of a 2xx; nobody hears whether it went out. */
  ack(ack: SipRequest, prefer: Flow | undefined): void;
  /** Our Contact URI on this trunk, without brackets; it shows nothing of what lies behind. */
  contact(): string;
  /**
   * What to add to a request that was answered 401 or 407, that it may be sent again (RFC 3261 §22); undefined where
   * there are no credentials for it. Left out where the trunk has none at all.
   */
  authorize?(request: SipRequest, reply: Reply): Promise<ExtraHeaders | undefined>;
}
