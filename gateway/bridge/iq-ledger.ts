import { hash } from 'node:crypto';
import type { Address } from '../../policies/address.ts';

/** Requests remembered per partner: an answer that comes later than this many others is as good as none. */
const ENTRIES = 10_000;
/** How long an answer may take, ms; clients give up long before. */
const LIFETIME_MS = 5 * 60_000;
/** Ids are the sender's to choose and may be as long as a stanza; longer ones are remembered by their hash. */
const LONGEST_ID = 128;

/**
 * IQ requests that crossed and await their answer: an answer to nothing must not carry anything across. Each partner
 * has a ledger of its own, so that none can push another's requests out.
 */
export class IqLedger {
  readonly #partners = new Map<string, Map<string, number>>();

  /** A request crosses. `now` in ms. */
  opened(partner: string, from: Address, to: Address, id: string, now: number): void {
    let open = this.#partners.get(partner);
    if (open === undefined) {
      open = new Map();
      this.#partners.set(partner, open);
    }
    const key = keyOf(from, to, id);
    open.delete(key);
    open.set(key, now + LIFETIME_MS);
    for (const [oldest, deadline] of open) {
      if (deadline > now && open.size <= ENTRIES) break;
      open.delete(oldest);
    }
  }

  /** Whether an answer `from` → `to` belongs to a request that crossed the other way; it does so once. */
  answered(partner: string, from: Address, to: Address, id: string, now: number): boolean {
    const open = this.#partners.get(partner);
    const key = keyOf(to, from, id);
    const deadline = open?.get(key);
    open?.delete(key);
    return deadline !== undefined && deadline > now;
  }

  /** Forgets partners that are none any more. */
  retain(partners: ReadonlySet<string>): void {
    for (const partner of this.#partners.keys()) if (!partners.has(partner)) this.#partners.delete(partner);
  }
}

function keyOf(from: Address, to: Address, id: string): string {
  const short = id.length > LONGEST_ID ? hash('sha256', id) : id;
  return `${from.bare}/${from.resource}\n${to.bare}/${to.resource}\n${short}`;
}
