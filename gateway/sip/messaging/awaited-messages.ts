import { Fault } from '../../../policies/fault.ts';
import type { Clock, Timer } from '../transaction/clock.ts';
import { TimerQueue } from '../transaction/timer-queue.ts';

/** What became of a MESSAGE before its time was over. */
export type Fate =
  /** The home has it. */
  | { readonly is: 'taken' }
  /** It is kept, and the home has not taken it yet. */
  | { readonly is: 'kept' }
  /** It is not known to be kept. */
  | { readonly is: 'unkept' }
  /** It came back, with this error stanza. */
  | { readonly is: 'refused'; readonly error: Buffer };

interface Awaited {
  readonly settle: (fate: Fate) => void;
  readonly timer: Timer;
  kept: boolean;
}

/** MESSAGEs that wait for a final response at once: as many hold a transaction each. */
const AWAITED = 20_000;

/** MESSAGEs that have gone in and whose final response is to tell the truth: what becomes of each, within a time. */
export class AwaitedMessages {
  readonly #awaited = new Map<string, Awaited>();
  readonly #clocks: TimerQueue<string>;

  constructor(clock: Clock, waitMs: number) {
    this.#clocks = new TimerQueue(clock, waitMs, (id) => this.#settle(id, this.#soFar(id)));
  }

  get size(): number {
    return this.#awaited.size;
  }

  get full(): boolean {
    return this.#awaited.size >= AWAITED;
  }

  has(id: string): boolean {
    return this.#awaited.has(id);
  }

  /** Calls `settled` once, at the latest when the time is over. Throws Fault `internal` where the id is awaited already. */
  add(id: string, settled: (fate: Fate) => void): void {
    if (this.#awaited.has(id)) throw new Fault('internal', 'One stanza id was given twice.');
    this.#awaited.set(id, { settle: settled, timer: this.#clocks.add(id), kept: false });
  }

  kept(id: string): void {
    const awaited = this.#awaited.get(id);
    if (awaited !== undefined) awaited.kept = true;
  }

  taken(id: string): void {
    this.#settle(id, { is: 'taken' });
  }

  /** True where it was awaited. */
  refused(id: string, error: Buffer): boolean {
    return this.#settle(id, { is: 'refused', error });
  }

  /** Settles all by what is known so far. */
  close(): void {
    for (const id of [...this.#awaited.keys()]) this.#settle(id, this.#soFar(id));
  }

  #soFar(id: string): Fate {
    return { is: this.#awaited.get(id)?.kept === true ? 'kept' : 'unkept' };
  }

  #settle(id: string, fate: Fate): boolean {
    const awaited = this.#awaited.get(id);
    if (awaited === undefined) return false;
    this.#awaited.delete(id);
    awaited.timer.clear();
    awaited.settle(fate);
    return true;
  }
}
