import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Flow, PartnerPolicy } from '../../policies/partner.ts';
import type { ReasonCode } from '../../policies/reasons.ts';

/** What is limited per partner and direction: by its policy, and pings of servers by a bound of ours. */
export type LimitedFlow = 'messages' | 'presence' | 'iq' | 'subscriptions' | 'pings';

/** A fence stands behind every burst of stanzas, at most fifty a second a stream and direction. */
const PINGS: Flow = { count: 200, periodMs: 1_000, perSecond: 200, burst: 400 };

export const overLimit: Readonly<Record<LimitedFlow, ReasonCode>> = {
  messages: 'rate-messages',
  presence: 'rate-presence',
  iq: 'rate-iq',
  subscriptions: 'rate-subscriptions',
  pings: 'rate-iq',
};

/** How much of the rate one lease takes, ms worth of it. */
const LEASE_MS = 100;

/**
 * Tokens at hand for one flow, taken in step with the stanza; full at the start. What was taken is earned again in
 * small lots: each is leased from the limiter behind, which one node or several may share, and is at hand when its
 * time is over. So no stanza waits for the limiter, and nobody gains by finding it slow.
 */
class Bucket {
  readonly flow: Flow;
  readonly #limiter: RateLimiterMemory;
  readonly #lot: number;
  #tokens: number;
  #earning = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(flow: Flow) {
    const { count, periodMs, burst } = flow;
    this.flow = flow;
    this.#lot = Math.min(burst, Math.max(1, Math.ceil((count * LEASE_MS) / periodMs)));
    // Whole ms, as timers count them, and rather too many than more than the policy allows.
    const lotMs = Math.ceil((this.#lot * periodMs) / count);
    this.#limiter = new RateLimiterMemory({ points: 1, duration: lotMs / 1000 });
    this.#tokens = burst;
  }

  /** `borrow`: up to another burst is given in advance, to be earned before anything else passes. */
  take(borrow: boolean): boolean {
    if (this.#tokens < (borrow ? 1 - this.flow.burst : 1)) return false;
    this.#tokens--;
    this.#earn();
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    void this.#limiter.delete(KEY);
  }

  /** Earns lot after lot until the bucket is full. */
  #earn(): void {
    if (this.#earning || this.#closed || this.#tokens >= this.flow.burst) return;
    this.#earning = true;
    this.#limiter.consume(KEY).then(
      ({ msBeforeNext }) => this.#after(msBeforeNext, this.#lot),
      (refusal: unknown) => this.#after(waitOf(refusal), 0),
    );
  }

  #after(ms: number, earned: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#earning = false;
      this.#tokens = Math.min(this.flow.burst, this.#tokens + earned);
      this.#earn();
    }, ms).unref();
  }
}

/** Each bucket has a limiter of its own. */
const KEY = 'flow';

/** ms until the limiter gives again; a limiter that fails is asked again soon. */
function waitOf(refusal: unknown): number {
  if (typeof refusal === 'object' && refusal !== null && 'msBeforeNext' in refusal) return Number(refusal.msBeforeNext);
  return LEASE_MS;
}

type Direction = 'inbound' | 'outbound';

/** The rates of every partner's policy, each direction with buckets of its own. */
export class PartnerLimits {
  readonly #buckets = new Map<string, Record<Direction, Map<LimitedFlow, Bucket>>>();

  /**
   * Takes one token; false where there is none. A rate that a new policy leaves as it was goes on where it stood.
   * `borrow` is for what does more harm lost than late.
   */
  take(partner: PartnerPolicy, kind: LimitedFlow, direction: Direction, borrow = false): boolean {
    const flow = kind === 'pings' ? PINGS : partner.limits[kind];
    if (flow === undefined) return true;
    const buckets = this.#of(partner.name)[direction];
    let bucket = buckets.get(kind);
    if (bucket === undefined || !sameFlow(bucket.flow, flow)) {
      bucket?.close();
      bucket = new Bucket(flow);
      buckets.set(kind, bucket);
    }
    return bucket.take(borrow);
  }

  /** Forgets partners that are none any more. */
  retain(partners: ReadonlySet<string>): void {
    for (const [name, { inbound, outbound }] of this.#buckets) {
      if (partners.has(name)) continue;
      for (const bucket of [...inbound.values(), ...outbound.values()]) bucket.close();
      this.#buckets.delete(name);
    }
  }

  close(): void {
    this.retain(new Set());
  }

  #of(name: string): Record<Direction, Map<LimitedFlow, Bucket>> {
    let buckets = this.#buckets.get(name);
    if (buckets === undefined) {
      buckets = { inbound: new Map(), outbound: new Map() };
      this.#buckets.set(name, buckets);
    }
    return buckets;
  }
}

function sameFlow(one: Flow, other: Flow): boolean {
  return one.count === other.count && one.periodMs === other.periodMs && one.burst === other.burst;
}
