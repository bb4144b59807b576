import type { CallLimits as Limits, PartnerPolicy } from '../../policies/partner.ts';
import { refuse, type Verdict } from '../../policies/verdict.ts';

/** A place among the calls that a policy allows at a time; given back once, however the call ends. */
export interface Reservation {
  release(): void;
}

interface Caller {
  concurrent: number;
  /** Calls that may start now, refilled with time. */
  tokens: number;
  /** When they were counted, ms. */
  at: number;
}

interface PartnerCalls {
  concurrent: number;
  readonly callers: Map<string, Caller>;
}

/** Users of one partner that are remembered: past that, one who has no call and a full bucket is forgotten. */
const CALLERS = 10_000;
/** Calls of one partner at a time where its policy says no number: two legs each, so that two partners together cannot take all places of the SIP stack. */
const CONCURRENT = 2_000;
const MINUTE_MS = 60_000;

/** Counts the calls of each partner and of each of its users, and gives places as far as their policies have any. */
export class CallLimits {
  readonly #partners = new Map<string, PartnerCalls>();
  /** ms, monotonic or not. */
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Calls of a partner at this time; for metrics. */
  concurrent(partner: string): number {
    return this.#partners.get(partner)?.concurrent ?? 0;
  }

  /** Takes a place for one call of this user of the partner (bare address), or says which line has none. */
  reserve({ name, calls }: PartnerPolicy, user: string): Reservation | Verdict {
    const limits = calls?.limits;
    if (limits === undefined) return refuse('policy-silent');
    const partner = this.#of(name);
    if (partner.concurrent >= (limits.concurrent ?? CONCURRENT)) {
      return refuse('calls-concurrent', limits.rule);
    }
    const caller = this.#caller(partner, user, limits);
    // A partner with more users in calls than are remembered has more than any policy means to allow.
    if (caller === undefined) return refuse('calls-concurrent', limits.rule);
    if (caller.concurrent >= (limits.userConcurrent ?? Number.POSITIVE_INFINITY)) {
      return refuse('calls-concurrent', limits.rule);
    }
    if (limits.userPerMinute !== undefined) {
      if (caller.tokens < 1) return refuse('calls-rate', limits.rule);
      caller.tokens--;
    }
    return this.#take(partner, caller);
  }

  #take(partner: PartnerCalls, caller: Caller): Reservation {
    partner.concurrent++;
    caller.concurrent++;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        partner.concurrent--;
        caller.concurrent--;
      },
    };
  }

  #of(name: string): PartnerCalls {
    let partner = this.#partners.get(name);
    if (partner === undefined) {
      partner = { concurrent: 0, callers: new Map() };
      this.#partners.set(name, partner);
    }
    return partner;
  }

  #caller({ callers }: PartnerCalls, user: string, { userPerMinute: rate = 0 }: Limits): Caller | undefined {
    const now = this.#now();
    const known = callers.get(user);
    if (known === undefined) {
      if (callers.size >= CALLERS && !this.#forgetOne(callers, now)) return undefined;
      const caller = { concurrent: 0, tokens: rate, at: now };
      callers.set(user, caller);
      return caller;
    }
    known.tokens = Math.min(rate, known.tokens + ((now - known.at) * rate) / MINUTE_MS);
    known.at = now;
    // The least lately seen stands first.
    callers.delete(user);
    callers.set(user, known);
    return known;
  }

  /** After a minute of silence a bucket is full again: whoever comes back then is as good as new. */
  #forgetOne(callers: Map<string, Caller>, now: number): boolean {
    for (const [user, { concurrent, at }] of callers) {
      if (now - at < MINUTE_MS) return false;
      if (concurrent > 0) continue;
      callers.delete(user);
      return true;
    }
    return false;
  }
}
