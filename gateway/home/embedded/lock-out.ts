import { originOf } from '../../xmpp/listener.ts';

/**
 * How many failures one account, and one address, may have within a period before it is locked out for as long. One
 * address may be a whole office behind its router.
 */
export interface LockOutLimits {
  readonly perAccount: number;
  readonly perAddress: number;
  readonly periodMs: number;
}

/** Accounts and addresses remembered: the oldest failure is forgotten first. Names may be invented, so unbounded they fill memory. */
const REMEMBERED = 20_000;

interface Failures {
  count: number;
  /** When the period ends, ms since 1970. */
  until: number;
}

/** Counts failed sign-ins and says who may try no more for now. Unknown users are counted as known ones are. */
export class LockOut {
  readonly #limits: LockOutLimits;
  readonly #failures = new Map<string, Failures>();

  constructor(limits: LockOutLimits) {
    this.#limits = limits;
  }

  /** Whether the right password would not help either. `account` is a bare address. */
  locked(account: string, address: string, now: number): boolean {
    const { perAccount, perAddress } = this.#limits;
    return this.#count(accountKey(account), now) >= perAccount || this.#count(addressKey(address), now) >= perAddress;
  }

  /** `account` is '' where none was named, `address` where it is not known: behind a proxy that does not tell. */
  failed(account: string, address: string, now: number): void {
    if (account !== '') this.#add(accountKey(account), now);
    if (address !== '') this.#add(addressKey(address), now);
  }

  /** Clears the account; the address might have succeeded for a user of its own only to go on guessing for others. */
  succeeded(account: string): void {
    this.#failures.delete(accountKey(account));
  }

  get size(): number {
    return this.#failures.size;
  }

  #count(key: string, now: number): number {
    const found = this.#failures.get(key);
    return found === undefined || found.until <= now ? 0 : found.count;
  }

  #add(key: string, now: number): void {
    const count = this.#count(key, now) + 1;
    // Behind all others, for the oldest is forgotten first.
    this.#failures.delete(key);
    this.#failures.set(key, { count, until: now + this.#limits.periodMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > REMEMBERED && oldest !== undefined) this.#failures.delete(oldest);
  }
}

function accountKey(account: string): string {
  return `account ${account}`;
}

function addressKey(address: string): string {
  return `address ${originOf(address)}`;
}
