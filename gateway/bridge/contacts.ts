/** Who sees whom in a pair of users. */
const THEY_SEE_US = 1;
const WE_SEE_THEM = 2;

/** Pairs counted per partner where the policy sets no bound of its own. */
const MOST = 200_000;

/**
 * The contacts of each partner: pairs of users between whom presence flows or was asked for. Known from what crosses,
 * so it fills again by itself after a start.
 */
export class Contacts {
  readonly #partners = new Map<string, Map<string, number>>();

  count(partner: string): number {
    return this.#partners.get(partner)?.size ?? 0;
  }

  /** Whether the pair is a contact, or may become one. `limit` is the policy's, undefined for none. */
  admits(partner: string, local: string, remote: string, limit: number | undefined): boolean {
    const pairs = this.#partners.get(partner);
    return pairs === undefined ? (limit ?? MOST) > 0 : pairs.has(`${local} ${remote}`) || pairs.size < (limit ?? MOST);
  }

  /** A subscription stanza or presence crossed (RFC 6121 §3). */
  crossed(partner: string, local: string, remote: string, direction: 'inbound' | 'outbound', type: string): void {
    const inbound = direction === 'inbound';
    if (type === 'subscribe') this.#add(partner, local, remote, inbound ? THEY_SEE_US : WE_SEE_THEM);
    else if (type === 'unsubscribe') this.#remove(partner, local, remote, inbound ? THEY_SEE_US : WE_SEE_THEM);
    else if (type === 'unsubscribed') this.#remove(partner, local, remote, inbound ? WE_SEE_THEM : THEY_SEE_US);
    else if (type === '' || type === 'subscribed')
      this.#add(partner, local, remote, inbound ? WE_SEE_THEM : THEY_SEE_US);
  }

  #add(partner: string, local: string, remote: string, bit: number): void {
    let pairs = this.#partners.get(partner);
    if (pairs === undefined) {
      pairs = new Map();
      this.#partners.set(partner, pairs);
    }
    const key = `${local} ${remote}`;
    const bits = pairs.get(key);
    if (bits === undefined && pairs.size >= MOST) return;
    if (((bits ?? 0) & bit) === 0) pairs.set(key, (bits ?? 0) | bit);
  }

  #remove(partner: string, local: string, remote: string, bit: number): void {
    const pairs = this.#partners.get(partner);
    const key = `${local} ${remote}`;
    const left = (pairs?.get(key) ?? 0) & ~bit;
    if (left !== 0) pairs?.set(key, left);
    else pairs?.delete(key);
  }
}
