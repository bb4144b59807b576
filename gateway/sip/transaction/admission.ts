import type { Flow } from '../transport/flow.ts';
import type { Clock } from './clock.ts';

/** How many server transactions may stand at once. */
export interface TransactionLimits {
  /** In all, and as many client transactions. Those of an INVITE count for 32 s after its 2xx, at most 5 KB each. */
  readonly transactions: number;
  /** Of one peer that await a final response or its ACK, on however many flows, so that it takes no places of others. */
  readonly perPeer: number;
}

/** In-dialog requests find this share of the places above the limits: a call that stands must be able to end. */
const RESERVE = 0.25;
/** Retry-After of what is refused, s; spread, lest all return at once. */
const RETRY = { least: 5, most: 15 };

/** New requests of one peer within a second that are not shed for load, however many others there are. */
const SHARE = 50;
const SHARE_MS = 1_000;
/** Peers told apart within that time; those beyond are one. */
const PEERS = 1_000;

/** What stands when a request comes. */
export interface Standing {
  readonly all: number;
  readonly ofPeer: number;
}

/** Decides which requests are taken up, and sheds the others before they cost anything. */
export class Admission {
  readonly #limits: TransactionLimits;
  readonly #overloaded: (flow: Flow) => boolean;
  readonly #clock: Clock;
  #retry = RETRY.least;
  /** New requests by peer and in all, until then. */
  #recent = new Map<string, number>();
  #total = 0;
  #until = 0;

  constructor(limits: TransactionLimits, overloaded: (flow: Flow) => boolean, clock: Clock) {
    this.#limits = limits;
    this.#overloaded = overloaded;
    this.#clock = clock;
  }

  /** Whether a request of this peer may get a transaction beside so many. */
  admits(flow: Flow, peer: string, inDialog: boolean, standing: Standing): boolean {
    const { transactions, perPeer } = this.#limits;
    const share = inDialog ? 1 + RESERVE : 1;
    const within = inDialog || this.#withinShare(peer);
    if (standing.all >= transactions * share || standing.ofPeer >= perPeer * share) return false;
    return within || !this.#overloaded(flow);
  }

  /**
   * Counts a request, whether there is load or not; false where its peer asks for more than the mean of all, and so has
   * its part in the load: who floods must not silence the others.
   */
  #withinShare(peer: string): boolean {
    const now = this.#clock.now();
    if (now >= this.#until) {
      this.#until = now + SHARE_MS;
      this.#recent = new Map();
      this.#total = 0;
    }
    const name = this.#recent.has(peer) || this.#recent.size < PEERS ? peer : '';
    const count = (this.#recent.get(name) ?? 0) + 1;
    this.#recent.set(name, count);
    this.#total++;
    return count <= SHARE || count * this.#recent.size < this.#total;
  }

  /** Seconds for the next Retry-After. */
  retryAfter(): number {
    this.#retry = this.#retry >= RETRY.most ? RETRY.least : this.#retry + 1;
    return this.#retry;
  }
}
