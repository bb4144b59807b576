import { otherProtocol } from '../../policies/judge.ts';
import type { PartnerPolicy } from '../../policies/partner.ts';
import type { PolicySet } from '../../policies/set.ts';
import { type ProofKind, suffices } from '../../policies/trust.ts';
import type { Evidence, Protocol, TrustVerdict } from './ports.ts';

/** Whether what a partner proved is what its policy demands, and how many streams it may have. */
export class PartnerTrust {
  readonly #policies: () => PolicySet;
  readonly #streams = new Map<string, number>();

  constructor(policies: () => PolicySet) {
    this.#policies = policies;
  }

  judge(domain: string, evidence: readonly Evidence[], via: Protocol): TrustVerdict {
    const partner = this.#policies().partnerOf(domain);
    if (partner === undefined) return { sufficient: false, reason: 'no-partner' };
    const denied = otherProtocol(partner, via);
    if (denied !== undefined) return { sufficient: false, reason: denied.reason, place: denied.rule };
    const proofs = new Set<ProofKind>();
    for (const { domain: of, holds, proof } of evidence) if (holds && of === domain) proofs.add(proof);
    const place = partner.trust.rule;
    if (suffices(partner.trust, proofs)) return { sufficient: true, reason: 'allowed', place };
    return { sufficient: false, reason: 'trust-insufficient', place };
  }

  /** Counts one more stream of the partner, where its policy allows one. */
  admit(domain: string): TrustVerdict {
    const partner = this.#policies().partnerOf(domain);
    if (partner === undefined) return { sufficient: false, reason: 'no-partner' };
    const place = partner.limits.rules.connections;
    if (this.#open(partner) >= partner.limits.connections)
      return { sufficient: false, reason: 'connections-full', place };
    this.#streams.set(domain, (this.#streams.get(domain) ?? 0) + 1);
    return { sufficient: true, reason: 'allowed', place };
  }

  release(domain: string): void {
    const left = (this.#streams.get(domain) ?? 1) - 1;
    if (left > 0) this.#streams.set(domain, left);
    else this.#streams.delete(domain);
  }

  /** Streams of all the partner's domains. Counted by domain: a new policy may give a domain to another partner. */
  #open(partner: PartnerPolicy): number {
    let open = 0;
    for (const [domain, count] of this.#streams) if (this.#policies().partnerOf(domain) === partner) open += count;
    return open;
  }
}
