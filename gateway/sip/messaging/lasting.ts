import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Reply } from '../port.ts';

/** Why nothing can be sent, where another try soon will not mend it: what waits comes back at once. */
const LASTING: ReadonlySet<string> = new Set<ReasonCode>([
  'no-partner',
  'remote-not-found',
  'dns-not-found',
  'dns-service-refused',
  'trunk-unknown',
  'trust-insufficient',
  'certificate-missing',
  'certificate-malformed',
  'certificate-expired',
  'certificate-not-yet-valid',
  'certificate-self-signed',
  'certificate-untrusted',
  'certificate-bad-signature',
  'certificate-bad-chain',
  'certificate-wrong-name',
  'certificate-wrong-purpose',
  'certificate-weak',
]);

/** The lasting reason for which a request was not sent; undefined where another try may do. */
export function lastingReason({ reason }: Reply): ReasonCode | undefined {
  return LASTING.has(reason) ? (reason as ReasonCode) : undefined;
}
