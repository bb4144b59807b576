import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Evidence } from '../../bridge/ports.ts';

/** What asking the authoritative server came to (XEP-0220 §2.1): `valid`, `invalid`, or why it could not be asked. */
export type DialbackOutcome = 'valid' | 'invalid' | ReasonCode;

/** Proof by dialback: the server that DNS names for the domain confirmed the key. As strong as DNS is. */
export function dialbackEvidence(domain: string, outcome: DialbackOutcome, detail = ''): Evidence {
  if (outcome === 'valid') return { proof: 'dialback', domain, holds: true, reason: 'allowed', detail };
  const reason = outcome === 'invalid' ? 'dialback-invalid' : outcome;
  return { proof: 'dialback', domain, holds: false, reason, detail };
}

/** What dialback would say if it succeeded: to learn whether asking is worth it, without asking. */
export function prospectiveDialback(domain: string): Evidence {
  return dialbackEvidence(domain, 'valid', 'not asked yet');
}
