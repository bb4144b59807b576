import type { EdgeContext } from './edge-context.ts';
import { prospectiveDialback } from './evidence/dialback.ts';
import { offer } from './features.ts';
import type { ProvenDomains } from './proven-domains.ts';
import { StreamFault } from './stream-error.ts';

/** How far a stream that a partner opened has come. */
export interface Negotiated {
  readonly home: string;
  /** The domain the peer says it is, '' where it has not said. */
  readonly claimed: string;
  readonly proven: ProvenDomains;
}

/**
 * What the peer is offered at this point, as the children of `<stream:features/>`. Stream management comes with
 * dialback too, behind which no features follow. Throws a {@link StreamFault} where nothing it could do would suffice.
 */
export function offersTo(
  { home, claimed, proven }: Negotiated,
  { options, certificates, host }: EdgeContext,
): string[] {
  const always = [offer.limits(options.scanner.elementBytes, options.idleMs)];
  const byDialback = [offer.dialback, offer.sm];
  if (proven.tls === undefined && certificates.contextFor(home) !== undefined) {
    const bare = options.tlsRequired ? [] : [...byDialback, ...always];
    return [offer.starttls(options.tlsRequired), ...bare];
  }
  const bidi = options.bidi ? [offer.bidi] : [];
  if (proven.size > 0) return [...byDialback, ...always];
  if (claimed === '') return [...byDialback, ...bidi, ...always];
  const certificate = proven.certificateFor(claimed);
  if (host.trust(claimed, [certificate]).sufficient) return [offer.external, offer.dialback, ...bidi, ...always];
  const verdict = host.trust(claimed, [certificate, prospectiveDialback(claimed)]);
  if (verdict.sufficient) return [...byDialback, ...bidi, ...always];
  const reason = verdict.reason !== 'trust-insufficient' || certificate.holds ? verdict.reason : certificate.reason;
  // One condition for strangers and for partners that prove too little: whose partners we are is nobody's business.
  const detail = reason === certificate.reason ? certificate.detail : undefined;
  throw new StreamFault('not-authorized', reason, detail, '', verdict.place);
}
