import type { Address } from '../../policies/address.ts';

/** Requests remembered: an answer that comes later than this many others is as good as none. */
const ENTRIES = 20_000;
/** How long an answer may take, ms; clients give up long before. */
const LIFETIME_MS = 5 * 60_000;

/** IQ requests that crossed and await their answer: an answer to nothing must not carry anything across. */
export class IqLedger {
  readonly #open = new Map<string, number>();

  /** A request crosses. `now` in ms. */
  opened(from: Address, to: Address, id: string, now: number): void {
    const key = keyOf(from, to, id);
    this.#open.delete(key);
    this.#open.set(key, now + LIFETIME_MS);
    for (const [oldest, deadline] of this.#open) {
      if (deadline > now && this.#open.size <= ENTRIES) break;
      this.#open.delete(oldest);
    }
  }

  /** Whether an answer `from` → `to` belongs to a request that crossed the other way; it does so once. */
  answered(from: Address, to: Address, id: string, now: number): boolean {
    const key = keyOf(to, from, id);
    const deadline = this.#open.get(key);
    this.#open.delete(key);
    return deadline !== undefined && deadline > now;
  }
}

function keyOf(from: Address, to: Address, id: string): string {
  return `${from.bare}/${from.resource}\n${to.bare}/${to.resource}\n${id}`;
}
