import type { Flow } from '../transport/flow.ts';

/** How many server transactions may stand at once. */
export interface TransactionLimits {
  /** In all, and as many client transactions. Those of an INVITE count for 32 s after its 2xx, at most 5 KB each. */
  readonly transactions: number;
  /** Of one flow that await a final response or its ACK, so that no peer takes the places of others. */
  readonly perFlow: number;
}

/** In-dialog requests find this share of the places above the limits: a call that stands must be able to end. */
const RESERVE = 0.25;
/** Retry-After of what is refused, s; spread, lest all return at once. */
const RETRY = { least: 5, most: 15 };

/** Decides which requests are taken up, and sheds the others before they cost anything. */
export class Admission {
  readonly #limits: TransactionLimits;
  readonly #overloaded: (flow: Flow) => boolean;
  #retry = RETRY.least;

  constructor(limits: TransactionLimits, overloaded: (flow: Flow) => boolean) {
    this.#limits = limits;
    this.#overloaded = overloaded;
  }

  /** Whether a request may get a transaction beside so many. */
  admits(flow: Flow, inDialog: boolean, standing: { readonly all: number; readonly ofFlow: number }): boolean {
    const { transactions, perFlow } = this.#limits;
    const share = inDialog ? 1 + RESERVE : 1;
    if (standing.all >= transactions * share || standing.ofFlow >= perFlow * share) return false;
    return inDialog || !this.#overloaded(flow);
  }

  /** Seconds for the next Retry-After. */
  retryAfter(): number {
    this.#retry = this.#retry >= RETRY.most ? RETRY.least : this.#retry + 1;
    return this.#retry;
  }
}
