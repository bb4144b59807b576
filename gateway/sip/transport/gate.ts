import { originOf } from '../../../policies/address.ts';
import type { Clock } from './clock.ts';
import type { FlowLimits } from './limits.ts';

/** Why a connection was refused before a message could come. */
export type Refusal =
  | 'full'
  | 'address-full'
  | 'too-many-attempts'
  | 'address-not-admitted'
  | 'handshake-timeout'
  | 'handshake-failed'
  | 'name-unknown';

const PERIOD_MS = 10_000;
/** Households whose attempts are counted in one period; past that, newcomers have only the bound of all connections. */
const HOUSEHOLDS = 10_000;

/** Counts connections that peers open, by where they come from, before a byte of them is read. */
export class Gate {
  readonly #limits: Pick<FlowLimits, 'connections' | 'perAddress' | 'attempts'>;
  readonly #clock: Clock;
  readonly #open = new Map<string, number>();
  readonly #attempts = new Map<string, number>();
  #periodUntil = 0;
  #total = 0;

  constructor(limits: Pick<FlowLimits, 'connections' | 'perAddress' | 'attempts'>, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Connections that stand. */
  get connections(): number {
    return this.#total;
  }

  /** Counts a connection in, until `leave` is called; or says why there may be no more. */
  enter(address: string): { readonly leave: () => void } | { readonly refusal: Refusal } {
    const household = originOf(address);
    const { connections, perAddress, attempts } = this.#limits;
    if (this.#attempt(household) > attempts) return { refusal: 'too-many-attempts' };
    if (this.#total >= connections) return { refusal: 'full' };
    const here = this.#open.get(household) ?? 0;
    if (here >= perAddress) return { refusal: 'address-full' };
    this.#total++;
    this.#open.set(household, here + 1);
    return { leave: once(() => this.#leave(household)) };
  }

  #leave(household: string): void {
    this.#total--;
    const left = (this.#open.get(household) ?? 1) - 1;
    if (left === 0) this.#open.delete(household);
    else this.#open.set(household, left);
  }

  /** Counts an attempt; returns how many the household has made in this period. */
  #attempt(household: string): number {
    const now = this.#clock.now();
    if (now >= this.#periodUntil) {
      this.#attempts.clear();
      this.#periodUntil = now + PERIOD_MS;
    }
    const before = this.#attempts.get(household);
    if (before === undefined && this.#attempts.size >= HOUSEHOLDS) return 0;
    this.#attempts.set(household, (before ?? 0) + 1);
    return (before ?? 0) + 1;
  }
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
