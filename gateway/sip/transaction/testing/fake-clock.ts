import type { Clock, Timer } from '../clock.ts';

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Map<number, { readonly due: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  /** Timers that have neither run nor been cleared. */
  get pending(): number {
    return this.#timers.size;
  }

  setTimeout(run: () => void, ms: number): Timer {
    const id = this.#order++;
    this.#timers.set(id, { due: this.#now + Math.max(0, ms), run });
    return { clear: () => this.#timers.delete(id) };
  }

  /** Moves on by so many ms, and runs what falls due on the way, in order of time and then of making. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let run = this.#next(end); run !== undefined; run = this.#next(end)) run();
    this.#now = end;
  }

  /** Like {@link advance}, and lets the promises of each step settle before the next. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let run = this.#next(end); run !== undefined; run = this.#next(end)) {
      run();
      await settle();
    }
    this.#now = end;
  }

  /** Takes out what falls due first, not later than `end`, and sets the time to it. */
  #next(end: number): (() => void) | undefined {
    let first: number | undefined;
    let due = end;
    for (const [id, timer] of this.#timers) {
      if (timer.due < due || (timer.due === due && first === undefined)) {
        first = id;
        due = timer.due;
      }
    }
    const timer = first === undefined ? undefined : this.#timers.get(first);
    if (first === undefined || timer === undefined) return undefined;
    this.#timers.delete(first);
    this.#now = due;
    return timer.run;
  }
}

/** Everything that hangs on resolved promises has run when this resolves. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
