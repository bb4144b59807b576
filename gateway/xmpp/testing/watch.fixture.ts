/** Lets a test wait for what it sees: whoever records something says so, and waiters look again. */
export class Watch {
  readonly #waiters = new Set<() => void>();

  /** Something was recorded. */
  changed(): void {
    for (const look of [...this.#waiters]) look();
  }

  /** Resolves with the first result that is neither undefined nor false. */
  until<T>(look: () => T | undefined | false): Promise<T> {
    return new Promise((resolve, reject) => {
      const again = (): void => {
        try {
          const seen = look();
          if (seen === undefined || seen === false) return;
          this.#waiters.delete(again);
          resolve(seen);
        } catch (error) {
          this.#waiters.delete(again);
          reject(error);
        }
      };
      this.#waiters.add(again);
      again();
    });
  }
}
