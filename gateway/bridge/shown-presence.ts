/** Presences remembered in all: past it, a change of policy reaches the partner only with the user's next presence. */
const MOST = 200_000;

/** A presence that went to a partner's user. */
export interface Shown {
  readonly partner: string;
  readonly from: string;
  readonly to: string;
}

/** Which presences a partner was last told are available, so that a policy that hides a user can take them back. */
export class ShownPresence {
  readonly #shown = new Map<string, Shown>();

  /** A presence of a local user (full address) went to a partner's user. `partner` is the domain. */
  told(partner: string, from: string, to: string, available: boolean): void {
    const key = `${partner}\n${from}\n${to}`;
    if (!available) this.#shown.delete(key);
    else if (this.#shown.size < MOST) this.#shown.set(key, { partner, from, to });
  }

  /** Takes out everything told that may be shown no longer. */
  *retract(hidden: (partner: string, from: string) => boolean): Generator<Shown> {
    for (const [key, shown] of this.#shown) {
      if (!hidden(shown.partner, shown.from)) continue;
      this.#shown.delete(key);
      yield shown;
    }
  }
}
