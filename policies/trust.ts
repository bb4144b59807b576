import type { Place } from './fault.ts';
import type { ProofKind } from './schema/trust.ts';

export type { ProofKind } from './schema/trust.ts';

/** Which proofs a partner's policy demands. */
export interface TrustDemand {
  /** `any`: one of the methods suffices; `all`: each is demanded. */
  readonly mode: 'any' | 'all';
  readonly methods: readonly ProofKind[];
  /** The line that demands it, undefined where no policy does: then nothing suffices. */
  readonly rule: Place | undefined;
}

/** What stands where no policy says which proofs it accepts. */
export const NO_TRUST: TrustDemand = Object.freeze({ mode: 'any', methods: Object.freeze([]), rule: undefined });

/** Whether the proofs at hand are what the policy demands. A demand without methods is never met. */
export function suffices(demand: TrustDemand, proofs: ReadonlySet<ProofKind>): boolean {
  if (demand.methods.length === 0) return false;
  const proven = (method: ProofKind) => proofs.has(method);
  return demand.mode === 'all' ? demand.methods.every(proven) : demand.methods.some(proven);
}
