/** How many messages, and their bytes. */
export interface Tally {
  messages: number;
  bytes: number;
}

/** Messages counted by what they have in common; what comes to nothing is forgotten. */
export class Tallies {
  readonly #tallies = new Map<string, Tally>();

  of(key: string): Readonly<Tally> {
    return this.#tallies.get(key) ?? { messages: 0, bytes: 0 };
  }

  add(key: string, bytes: number): void {
    const { messages, bytes: before } = this.of(key);
    this.#tallies.set(key, { messages: messages + 1, bytes: before + bytes });
  }

  remove(key: string, bytes: number): void {
    const { messages, bytes: before } = this.of(key);
    if (messages <= 1) this.#tallies.delete(key);
    else this.#tallies.set(key, { messages: messages - 1, bytes: before - bytes });
  }
}
