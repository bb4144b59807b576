/**
 * Who owes what in offer/answer (RFC 3264 §4, RFC 6337 §2): nobody; the peer an answer to our offer; or we one to the
 * peer's.
 */
export type OfferState = 'settled' | 'ours' | 'theirs';

/** How an offer of the peer is met in each state: taken, or refused with this status (RFC 3311 §5.2, RFC 6337 §2.3). */
const verdicts: Record<OfferState, undefined | 491 | 500> = { settled: undefined, ours: 491, theirs: 500 };

/** The status that refuses an offer of the peer now; a 500 goes with Retry-After. Undefined: it may be taken. */
export function refusalOfOffer(state: OfferState): 491 | 500 | undefined {
  return verdicts[state];
}
