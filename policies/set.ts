import { foldDomain } from './address.ts';
import type { PartnerPolicy } from './partner.ts';

/** Spellings of domains whose partner is remembered: a strangers' flood of names must not grow it. */
const REMEMBERED = 4_096;

/** Every partner's policy, found by domain. */
export class PolicySet {
  readonly partners: readonly PartnerPolicy[];
  readonly #exact = new Map<string, PartnerPolicy>();
  readonly #below = new Map<string, PartnerPolicy>();
  readonly #remembered = new Map<string, PartnerPolicy>();

  /** Of two partners that claim one domain the first has it; loading refuses such a set. */
  constructor(partners: readonly PartnerPolicy[]) {
    this.partners = Object.freeze([...partners]);
    for (const partner of partners.toReversed()) {
      for (const domain of partner.exactDomains) this.#exact.set(domain, partner);
      for (const domain of partner.wildcardDomains) this.#below.set(domain, partner);
    }
  }

  /** The partner a domain belongs to, in any spelling: by its own name first, then by the longest wildcard. */
  partnerOf(domain: string): PartnerPolicy | undefined {
    const known = this.#remembered.get(domain);
    if (known !== undefined) return known;
    const folded = foldDomain(domain);
    const partner = folded === undefined ? undefined : (this.#exact.get(folded) ?? this.#longestBelow(folded));
    if (partner === undefined) return undefined;
    if (this.#remembered.size >= REMEMBERED) this.#remembered.clear();
    this.#remembered.set(domain, partner);
    return partner;
  }

  #longestBelow(domain: string): PartnerPolicy | undefined {
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
      const partner = this.#below.get(domain.slice(dot + 1));
      if (partner !== undefined) return partner;
    }
    return undefined;
  }
}
