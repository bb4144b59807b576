import type { ProofKind } from '../../../policies/trust.ts';
import type { Protocol } from '../../bridge/ports.ts';
import type { Security } from '../../dns/security.ts';
import type { Checked } from '../check/checked.ts';
import type { Report } from '../observation.ts';
import type { NamedServer } from './named-server.ts';

/** What was seen of a domain that is to become a partner. */
export interface Seen {
  readonly via: Protocol;
  /** The strongest proof that held: what a policy may rely on. */
  readonly proof: ProofKind | undefined;
  readonly security: Security;
  /** Chat room domains that DNS knows. */
  readonly rooms: readonly string[];
  /** SIP servers that DNS names where the gateway does not look: the policy must. */
  readonly hosts: readonly NamedServer[];
}

export interface LookOptions {
  readonly at: Checked;
  /** The home domain that asks. */
  readonly home: string;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** What the policy is to accept whatever is seen; undefined where that is to be concluded. */
  readonly accept: readonly ProofKind[] | undefined;
  /** The protocol that it is to be reached by; undefined where DNS is to tell. */
  readonly via: Protocol | undefined;
}
