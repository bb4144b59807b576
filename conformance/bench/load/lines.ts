import type { Line } from './line.ts';

/** The connections of one load process, by name. */
export class Lines {
  readonly #lines = new Map<string, PromiseWithResolvers<Line>>();

  /** The line of this name, once it stands. */
  standing(name: string): Promise<Line> {
    return this.#slot(name).promise;
  }

  /** A line stands; one that stood before is a thing of the past. */
  put(name: string, line: Line): void {
    const slot = this.#slot(name);
    slot.resolve(line);
    this.#lines.set(name, { ...slot, promise: Promise.resolve(line) });
  }

  #slot(name: string): PromiseWithResolvers<Line> {
    const slot = this.#lines.get(name) ?? Promise.withResolvers<Line>();
    this.#lines.set(name, slot);
    return slot;
  }
}
