import { foldDomain } from '../../policies/address.ts';

/** Spellings remembered per stream: a stream carries few domains, and the peer chooses how to spell them. */
const SPELLINGS = 64;

/** Reads the domain off addresses, remembering what each spelling folds to: the per-stanza path parses none twice. */
export class DomainReader {
  readonly #folded = new Map<string, string>();

  /** The folded domain of a JID, undefined where it has none. */
  of(address: string): string | undefined {
    const slash = address.indexOf('/');
    const bare = slash < 0 ? address : address.slice(0, slash);
    const spelt = bare.slice(bare.indexOf('@') + 1);
    const known = this.#folded.get(spelt);
    if (known !== undefined) return known;
    const folded = foldDomain(spelt);
    if (folded === undefined) return undefined;
    if (this.#folded.size >= SPELLINGS) this.#folded.clear();
    this.#folded.set(spelt, folded);
    return folded;
  }
}
