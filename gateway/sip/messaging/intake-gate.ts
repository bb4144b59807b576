import type { Clock, Timer } from '../transaction/clock.ts';

/** Messages held back at once, for all pairs together: each holds its body and a transaction. */
const HELD = 2_000;

interface Held {
  readonly take: () => boolean;
  readonly turnAway: () => void;
  readonly timer: Timer;
}

/**
 * Flow control of what comes in. SIP has no way to ask a peer for a pause, so what arrives while the middle wants no
 * more of a pair waits here for a moment, in order.
 */
export class IntakeGate {
  readonly #clock: Clock;
  readonly #waitMs: number;
  /** Pairs of which no more is wanted now. */
  readonly #shut = new Map<string, Held[]>();
  #held = 0;

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** Runs `take`, now or when the pair may go on; false from it shuts the gate. `turnAway` where that takes too long. */
  enter(pair: string, take: () => boolean, turnAway: () => void): void {
    const line = this.#shut.get(pair);
    if (line === undefined) {
      if (!take()) this.#shut.set(pair, []);
    } else if (this.#held >= HELD) turnAway();
    else {
      const held: Held = {
        take,
        turnAway,
        timer: this.#clock.setTimeout(() => this.#expire(pair, held), this.#waitMs),
      };
      line.push(held);
      this.#held++;
    }
  }

  /** The middle takes more of this pair. */
  open(pair: string): void {
    const line = this.#shut.get(pair);
    if (line === undefined) return;
    this.#shut.delete(pair);
    while (line.length > 0 && !this.#shut.has(pair)) {
      const held = line.shift() as Held;
      this.#release(held);
      if (!held.take()) this.#shut.set(pair, line);
    }
  }

  /** Turns away all that wait. */
  close(): void {
    for (const line of this.#shut.values()) {
      for (const held of line.splice(0)) {
        this.#release(held);
        held.turnAway();
      }
    }
  }

  #expire(pair: string, held: Held): void {
    const line = this.#shut.get(pair);
    const at = line?.indexOf(held) ?? -1;
    if (at < 0) return;
    line?.splice(at, 1);
    this.#release(held);
    held.turnAway();
  }

  #release(held: Held): void {
    held.timer.clear();
    this.#held--;
  }
}
