import type { Place } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { ProofKind } from '../../policies/trust.ts';
import type { Stanza } from './stanza.ts';

/**
 * The seams between the middle and its two sides. What crosses them is plain data: an edge may one day stand in the
 * DMZ and dial in from there.
 *
 * Flow control is the same on every seam: `false` says "taken, but bring no more of this pair until there is room".
 */

/** What one proof of a partner's identity found. */
export interface Evidence {
  readonly proof: ProofKind;
  readonly domain: string;
  readonly holds: boolean;
  /** `allowed` where it holds. */
  readonly reason: ReasonCode;
  readonly detail: string;
  /** Until when it holds, ms since the epoch. */
  readonly notAfter?: number | undefined;
}

export interface TrustVerdict {
  readonly sufficient: boolean;
  readonly reason: ReasonCode;
  readonly place?: Place | undefined;
}

/** What an edge may ask and tell the middle. */
export interface EdgeHost {
  isHome(domain: string): boolean;
  /** Whether this evidence suffices for this partner: its policy decides. */
  trust(domain: string, evidence: readonly Evidence[]): TrustVerdict;
  /** Takes one of the partner's simultaneous streams; insufficient where its policy allows no more. */
  admitStream(domain: string): TrustVerdict;
  releaseStream(domain: string): void;
  /** Whether one policy speaks of both domains: then a stream that proves both is one stream of that partner. */
  samePartner(one: string, other: string): boolean;
  /** A stanza from a proven partner. */
  inbound(partnerDomain: string, homeDomain: string, stanza: Stanza): boolean;
  /** An outbound stanza that will not be delivered. */
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
  /** The outbound queue of this pair takes stanzas again. */
  roomForPartner(homeDomain: string, partnerDomain: string): void;
}

/** What the middle asks of an edge. */
export interface Edge {
  /** Queues a stanza for a partner, in order per pair of domains. */
  send(homeDomain: string, partnerDomain: string, stanza: Stanza): boolean;
  /** The inbound streams of this pair may be read again. */
  room(homeDomain: string, partnerDomain: string): void;
}

/** What a home may tell the middle. */
export interface HomeHost {
  /** A stanza of a local user for a partner. */
  outbound(partnerDomain: string, stanza: Stanza): boolean;
  /** An inbound stanza that the home server will not take. */
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
  /** The queue towards the home server takes stanzas of this partner again. */
  roomForHome(partnerDomain: string): void;
}

/** What the middle asks of a home. */
export interface Home {
  /** Queues a stanza for the home server, in order per partner domain. */
  deliver(partnerDomain: string, stanza: Stanza): boolean;
  /** The home's traffic for this partner may be read again. */
  room(partnerDomain: string): void;
}
