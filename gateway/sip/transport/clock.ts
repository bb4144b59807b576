/** Something that will run once, unless it is cleared before; clearing twice, or too late, does nothing. */
export interface Timer {
  clear(): void;
}

/** Time as the stack sees it: passed in, so that tests need not wait. */
export interface Clock {
  /** Milliseconds since some fixed moment; never runs backwards. */
  now(): number;
  setTimeout(run: () => void, ms: number): Timer;
}

/** Lets go of what is cleared: users keep it longer than that. */
class SystemTimer implements Timer {
  #timeout: NodeJS.Timeout | undefined;

  constructor(timeout: NodeJS.Timeout) {
    this.#timeout = timeout;
  }

  clear(): void {
    clearTimeout(this.#timeout);
    this.#timeout = undefined;
  }
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout(run, ms) {
    return new SystemTimer(setTimeout(run, ms));
  },
};
