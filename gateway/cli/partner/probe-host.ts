import type { EdgeHost, TrustVerdict } from '../../bridge/ports.ts';

const SUFFICIENT: TrustVerdict = { sufficient: true, reason: 'allowed' };

/**
 * The middle as a stream of a probe sees it: it judges evidence as it is told to, and takes no stanza. `taken` is told when
 * the partner has taken one of ours.
 */
export function probeHost(home: readonly string[], trust: EdgeHost['trust'], taken: () => void): EdgeHost {
  return {
    isHome: (domain) => home.includes(domain),
    trust,
    admitStream: () => SUFFICIENT,
    releaseStream: () => undefined,
    samePartner: (one, other) => one === other,
    // No stream of a probe is bidirectional, so none of the partner's stanzas may come on it.
    inbound: () => true,
    answered: () => undefined,
    roomForPartner: () => undefined,
    partnerUnreachable: () => undefined,
    delivered: taken,
    undeliverable: () => undefined,
    returned: () => undefined,
    whenKept: (then) => then(),
  };
}

/** Trusts whoever answers: to look at what it shows, not to rely on it. */
export const believeAnyone: EdgeHost['trust'] = () => SUFFICIENT;
