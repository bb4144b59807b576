import type { SipRequest, SipResponse } from '../message/message.ts';
import type { ModifyAnswer, Sdp } from '../port.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Acknowledged } from './acceptance.ts';
import type { Core } from './core.ts';
import type { Dialog } from './dialog.ts';
import type { OfferState } from './offer-answer.ts';
import type { Outbound } from './outbound.ts';
import type { OwnAcks } from './own-acks.ts';
import type { TimerTerms } from './session-timer.ts';

/** A session as those see it that change it: the peer's offers and ours, re-INVITE, UPDATE and refreshes. */
export interface Leg {
  readonly core: Core;
  readonly dialog: Dialog;
  readonly outbound: Outbound;
  readonly acks: OwnAcks;
  readonly confirmed: boolean;
  readonly over: boolean;
  /** Who owes what. */
  offers: OfferState;
  /** The peer has said that it takes UPDATE (RFC 3311 §4). */
  peerUpdates: boolean;
  /** The least session interval that the peer has asked for, s. */
  leastSeconds: number;
  readonly terms: TimerTerms | undefined;
  /** An offer, an INVITE or its ACK is under way, so that no new offer may be made. */
  readonly busy: boolean;
  /** Our latest description, kept only where a refresh needs it: by re-INVITE, of ours. */
  readonly localSdp: Sdp | undefined;

  /** Asks the gateway about a change; a refusal where nobody listens. */
  decide(offer: Sdp | undefined, signal: AbortSignal): Promise<ModifyAnswer>;
  /** A 200 to INVITE or UPDATE: the target and the session timer are refreshed by it. */
  success(request: SipRequest): SipResponse;
  /** The same, by a 2xx of the peer. */
  refreshed(response: SipResponse): void;
  /** Sends our 2xx to an INVITE until it is acknowledged. */
  accept(transaction: ServerTransaction, response: SipResponse, settled: (acknowledged: Acknowledged) => void): void;
  /** This is our description from now on. */
  described(sdp: Sdp): void;
  /** A 2xx of the peer has the offer: its ACK waits for the answer. */
  oweAck(cseq: number): void;
  /** Sends the ACK to a 2xx, with the answer where the 2xx had the offer. */
  acknowledge(cseq: number, answer?: Sdp): void;
  /** Ends the session with BYE. */
  hangUp(by: 'us' | 'timeout' | 'transport', reason?: string): void;
  /** The peer knows nothing of the session any more: no BYE. */
  vanished(): void;
}
