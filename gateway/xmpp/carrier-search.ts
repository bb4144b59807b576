import { codeOf, type Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import { backoffMs } from './backoff.ts';
import { PERMANENT } from './permanent.ts';

export interface SearchOwner<Carrier> {
  /** Finds or makes a stream. Rejects with a {@link Fault}. */
  carrier(): Promise<Carrier>;
  /** Whether a stream is wanted just now. */
  wanted(): boolean;
  found(carrier: Carrier): void;
  failed(fault: Fault): void;
  /** Uniform in [0, 1). */
  random(): number;
}

/** The search for a stream: one attempt at a time, and between two of them ever longer waits. */
export class CarrierSearch<Carrier> {
  readonly #owner: SearchOwner<Carrier>;
  #seeking = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  /** Why nothing is sought for a while: a failure that another try at once would only repeat. */
  #refusal: { readonly code: ReasonCode; readonly until: number } | undefined;

  constructor(owner: SearchOwner<Carrier>) {
    this.#owner = owner;
  }

  /** Whether it may be forgotten. While it refuses it may not: what it learnt would be learnt again at once. */
  get idle(): boolean {
    return !this.#seeking && this.#retry === undefined && this.refusal === undefined;
  }

  get refusal(): ReasonCode | undefined {
    if (this.#refusal !== undefined && this.#refusal.until <= Date.now()) this.#refusal = undefined;
    return this.#refusal?.code;
  }

  /** Seeks a stream where one is wanted, unless it does so already or waits to try again. */
  seek(): void {
    if (this.#seeking || this.#retry !== undefined || !this.#owner.wanted()) return;
    this.#seeking = true;
    this.#owner.carrier().then(
      (carrier) => {
        this.#seeking = false;
        this.#owner.found(carrier);
      },
      (fault: Fault) => {
        this.#seeking = false;
        this.#owner.failed(fault);
      },
    );
  }

  /** Seeks after so many ms; by default after a wait that grows each time. */
  later(ms = this.#backoff()): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.seek();
    }, ms);
  }

  /**
   * An attempt was in vain. Seeks again later, where another may succeed or a stream is wanted in any case (`always`),
   * and refuses else, for as long. Returns whether another may succeed, and how long that is, ms.
   */
  inVain(fault: Fault, always: boolean): { permanent: boolean; waitMs: number } {
    const permanent = PERMANENT.has(codeOf(fault));
    const waitMs = this.#backoff();
    if (!permanent || always) this.later(waitMs);
    else this.#refusal = { code: codeOf(fault), until: Date.now() + waitMs };
    return { permanent, waitMs };
  }

  /** A stream stands, whoever found it. */
  over(): void {
    this.stop();
    this.#refusal = undefined;
  }

  /** What went wrong before counts no more. */
  forgive(): void {
    this.#refusal = undefined;
    this.#failures = 0;
  }

  /** Leaves no timer. An attempt under way still tells how it ended. */
  stop(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #backoff(): number {
    return backoffMs(this.#failures++, this.#owner.random());
  }
}
