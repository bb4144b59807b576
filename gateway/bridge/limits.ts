import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Flow, PartnerPolicy } from '../../policies/partner.ts';
import type { ReasonCode } from '../../policies/reasons.ts';

/** What a policy may limit per partner and direction. */
export type LimitedFlow = 'messages' | 'presence' | 'iq' | 'subscriptions';

export const overLimit: Readonly<Record<LimitedFlow, ReasonCode>> = {
  messages: 'rate-messages',
  presence: 'rate-presence',
  iq: 'rate-iq',
  subscriptions: 'rate-subscriptions',
};

/** How much of the rate one lease takes, ms worth of it. */
const LEASE_MS = 100;

/**
 * Tokens at hand for one flow, taken in step with the stanza. They are leased in small lots from the limiter behind,
 * which one node or several may share, so that no stanza waits for it.
 */
class Bucket {
  readonly flow: Flow;
  readonly #limiter: RateLimiterMemory;
  readonly #lot: number;
  #tokens: number;
  #leasing = false;
  #emptyUntil = 0;

  constructor(flow: Flow) {
    this.flow = flow;
    const seconds = flow.periodMs / 1000;
    this.#limiter = new RateLimiterMemory({ points: flow.count, duration: seconds });
    this.#lot = Math.max(1, Math.min(flow.count, Math.ceil((flow.count * LEASE_MS) / flow.periodMs)));
    this.#tokens = flow.burst;
  }

  take(now: number): boolean {
    if (this.#tokens + this.#lot <= this.flow.burst || this.#tokens < 1) this.#lease(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #lease(now: number): void {
    if (this.#leasing || now < this.#emptyUntil) return;
    this.#leasing = true;
    this.#limiter.consume('flow', this.#lot).then(
      () => {
        this.#leasing = false;
        this.#tokens = Math.min(this.flow.burst, this.#tokens + this.#lot);
      },
      (refusal: unknown) => {
        this.#leasing = false;
        this.#emptyUntil = now + waitOf(refusal);
      },
    );
  }
}

/** ms until the limiter gives again; a limiter that fails is asked again soon. */
function waitOf(refusal: unknown): number {
  if (typeof refusal === 'object' && refusal !== null && 'msBeforeNext' in refusal) return Number(refusal.msBeforeNext);
  return LEASE_MS;
}

/** The rates of every partner's policy, each direction with buckets of its own. */
export class PartnerLimits {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one token. `now` in ms. */
  take(partner: PartnerPolicy, kind: LimitedFlow, direction: 'inbound' | 'outbound', now: number): boolean {
    const flow = partner.limits[kind];
    if (flow === undefined) return true;
    const key = `${partner.name} ${direction} ${kind}`;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined || !sameFlow(bucket.flow, flow)) {
      bucket = new Bucket(flow);
      this.#buckets.set(key, bucket);
    }
    return bucket.take(now);
  }

  /** Forgets partners that are none any more. */
  retain(names: ReadonlySet<string>): void {
    for (const key of this.#buckets.keys()) {
      if (!names.has(key.slice(0, key.indexOf(' ')))) this.#buckets.delete(key);
    }
  }
}

function sameFlow(one: Flow, other: Flow): boolean {
  return one.count === other.count && one.periodMs === other.periodMs && one.burst === other.burst;
}
