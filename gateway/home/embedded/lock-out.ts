import { originOf } from '../../../policies/address.ts';

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
  /** Accounts with the addresses from which they have signed in. */
  readonly #known = new Set<string>();

  constructor(limits: LockOutLimits) {
    this.#limits = limits;
  }

  /** Whether the right password would not help either. `account` is a bare address. */
  locked(account: string, address: string, now: number): boolean {
    const { perAccount, perAddress } = this.#limits;
    return (
      this.#count(this.#accountKey(account, address), now) >= perAccount ||
      this.#count(addressKey(address), now) >= perAddress
    );
  }

  /** `account` is '' where none was named, `address` where it is not known: behind a proxy that does not tell. */
  failed(account: string, address: string, now: number): void {
    const { perAccount, perAddress } = this.#limits;
    if (account !== '') this.#add(this.#accountKey(account, address), perAccount, now);
    if (address !== '') this.#add(addressKey(address), perAddress, now);
  }

  /** Clears the account; the address might have succeeded for a user of its own only to go on guessing for others. */
  succeeded(account: string, address: string): void {
    this.#failures.delete(this.#accountKey(account, address));
    if (address === '') return;
    const pair = pairKey(account, address);
    this.#known.delete(pair);
    this.#known.add(pair);
    const [oldest] = this.#known;
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }

  get size(): number {
    return this.#failures.size;
  }

  #count(key: string, now: number): number {
    const found = this.#failures.get(key);
    return found === undefined || found.until <= now ? 0 : found.count;
  }

  /**
   * Failures of an account count together, except where it has signed in before: those count there alone. So nobody
   * locks a user out by failing elsewhere in its name, nor gets to guess more because it signs in often.
   */
  #accountKey(account: string, address: string): string {
    const pair = pairKey(account, address);
    return this.#known.has(pair) ? pair : `account ${account}`;
  }

  #add(key: string, most: number, now: number): void {
    const before = this.#failures.get(key);
    const count = this.#count(key, now) + 1;
    // The period of counting runs from the first failure, that of being locked out from the last.
    const until = before === undefined || count === 1 || count >= most ? now + this.#limits.periodMs : before.until;
    // Behind all others, for the oldest is forgotten first.
    this.#failures.delete(key);
    this.#failures.set(key, { count, until });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > REMEMBERED && oldest !== undefined) this.#failures.delete(oldest);
  }
}

function pairKey(account: string, address: string): string {
  return `${account} at ${originOf(address)}`;
}

function addressKey(address: string): string {
  return `address ${originOf(address)}`;
}
