import type { ReasonCode } from '../../policies/reasons.ts';

/** Failures that another try soon will not mend: what waits is bounced at once. */
export const PERMANENT: ReadonlySet<ReasonCode> = new Set([
  'no-partner',
  'remote-not-found',
  'dns-not-found',
  'dns-service-refused',
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
  'certificate-unusable',
  'dialback-invalid',
  'tls-unavailable',
]);
