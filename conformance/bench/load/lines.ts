import type { Pair } from './stanzas.ts';
import type { Tally } from './tally.ts';

/** What was sent, from when on. */
export interface Sent {
  readonly count: number;
  readonly startUs: number;
}

/** A connection that messages go over, whatever it speaks. */
export interface LoadLine {
  /** Of the messages that come. */
  readonly arrivals: Tally;
  /** Writes so long, ms, as fast as the hop takes it. */
  flood(pair: Pair, ms: number): Promise<Sent>;
  /** Writes so long, ms, so many messages a second, each alone and at its time. */
  pace(pair: Pair, rate: number, ms: number): Promise<Sent>;
  /** Writes something small by the way. */
  say(text: string): void;
}

/** The connections of one load process, by name. */
export class Lines {
  readonly #lines = new Map<string, PromiseWithResolvers<LoadLine>>();

  /** The line of this name, once it stands. */
  standing(name: string): Promise<LoadLine> {
    return this.#slot(name).promise;
  }

  /** A line stands; one that stood before is a thing of the past. */
  put(name: string, line: LoadLine): void {
    const slot = this.#slot(name);
    slot.resolve(line);
    this.#lines.set(name, { ...slot, promise: Promise.resolve(line) });
  }

  #slot(name: string): PromiseWithResolvers<LoadLine> {
    const slot = this.#lines.get(name) ?? Promise.withResolvers<LoadLine>();
    this.#lines.set(name, slot);
    return slot;
  }
}
