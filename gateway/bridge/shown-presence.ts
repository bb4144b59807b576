/** Presences remembered in all: past it, a change of policy reaches the partner only with the user's next presence. */
const MOST = 200_000;

interface Shown {
  readonly from: string;
  readonly to: string;
}

/** Which presences a partner was last told are available, so that a policy that hides a user can take them back. */
export class ShownPresence {
  readonly #partners = new Map<string, Map<string, Shown>>();
  #total = 0;

  /** A presence of a local user (full address) went to a partner's user. */
  told(partnerDomain: string, from: string, to: string, available: boolean): void {
    let told = this.#partners.get(partnerDomain);
    const key = `${from}\n${to}`;
    if (!available) {
      if (told?.delete(key)) this.#total--;
      return;
    }
    if (told === undefined) {
      told = new Map();
      this.#partners.set(partnerDomain, told);
    }
    if (told.has(key) || this.#total >= MOST) return;
    told.set(key, { from, to });
    this.#total++;
  }

  /** Takes out everything told that may be shown no longer. */
  *retract(hidden: (partnerDomain: string, from: string) => boolean): Generator<Shown & { partner: string }> {
    for (const [partner, told] of this.#partners) {
      for (const [key, shown] of told) {
        if (!hidden(partner, shown.from)) continue;
        told.delete(key);
        this.#total--;
        yield { ...shown, partner };
      }
    }
  }
}
