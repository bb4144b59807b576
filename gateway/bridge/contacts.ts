/** Who sees whom in a pair of users. */
const THEY_SEE_US = 1;
const WE_SEE_THEM = 2;

/** Pairs counted per partner where the policy sets no bound of its own. */
const MOST = 200_000;

/**
 * The contacts of each partner: pairs of users between whom presence flows or was asked for. Known from what crosses,
 * so it fills again by itself after a start: from the presence and the probes of our own side, for the partner may
 * only add to it by asking, which policy limits.
 */
export class Contacts {
  readonly #partners = new Map<string, Map<string, number>>();

  count(partner: string): number {
    return this.#partners.get(partner)?.size ?? 0;
  }

  /** Whether the pair is a contact, or may become one. `limit` is the policy's, undefined for none. */
  admits(partner: string, local: string, remote: string, limit = MOST): boolean {
    const pairs = this.#partners.get(partner);
    return (pairs?.size ?? 0) < limit || pairs?.has(keyOf(local, remote)) === true;
  }

  /** A presence, probe or subscription stanza crossed (RFC 6121 §3, §4). Past the limit no pair is added. */
  crossed(
    partner: string,
    local: string,
    remote: string,
    direction: 'inbound' | 'outbound',
    type: string,
    limit = MOST,
  ): void {
    const ours = direction === 'outbound';
    switch (type) {
      case 'subscribe':
        this.#add(partner, local, remote, ours ? WE_SEE_THEM : THEY_SEE_US, limit);
        break;
      case 'unsubscribe':
        this.#remove(partner, local, remote, ours ? WE_SEE_THEM : THEY_SEE_US);
        break;
      case 'unsubscribed':
        this.#remove(partner, local, remote, ours ? THEY_SEE_US : WE_SEE_THEM);
        break;
      case '':
      case 'subscribed':
        if (ours) this.#add(partner, local, remote, THEY_SEE_US, limit);
        else this.#add(partner, local, remote, WE_SEE_THEM, 0);
        break;
      case 'probe':
        if (ours) this.#add(partner, local, remote, WE_SEE_THEM, limit);
    }
  }

  /** Forgets partners that are none any more. */
  retain(partners: ReadonlySet<string>): void {
    for (const partner of this.#partners.keys()) if (!partners.has(partner)) this.#partners.delete(partner);
  }

  #add(partner: string, local: string, remote: string, bit: number, limit: number): void {
    let pairs = this.#partners.get(partner);
    if (pairs === undefined) {
      pairs = new Map();
      this.#partners.set(partner, pairs);
    }
    const key = keyOf(local, remote);
    const bits = pairs.get(key);
    if (bits !== undefined || pairs.size < limit) pairs.set(key, (bits ?? 0) | bit);
  }

  #remove(partner: string, local: string, remote: string, bit: number): void {
    const pairs = this.#partners.get(partner);
    const key = keyOf(local, remote);
    const left = (pairs?.get(key) ?? 0) & ~bit;
    if (left !== 0) pairs?.set(key, left);
    else pairs?.delete(key);
  }
}

function keyOf(local: string, remote: string): string {
  return `${local} ${remote}`;
}
