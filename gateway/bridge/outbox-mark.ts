/**
 * Up to which ticket a queue may have sent: nothing is handed on beyond what the store knows, or a crash would forget
 * that it was. A ticket too many is no harm, but that a crash leaves it in doubt.
 */
export class SentMark {
  #kept: number;
  #promised: number;
  /** How often it was lowered: what was raised before that counts no more. */
  #lowered = 0;

  /** As it stands in the store. */
  constructor(sent: number) {
    this.#kept = sent;
    this.#promised = sent;
  }

  /** The store knows this one, or a higher one. */
  get kept(): number {
    return this.#kept;
  }

  /** What every commit from now on is to write, whoever raised it: a lower one would take back what another kept. */
  get promised(): number {
    return this.#promised;
  }

  /** Raises it with the next commit. What is returned is to be called when that is kept. */
  raise(ticket: number): () => void {
    this.#promised = Math.max(this.#promised, ticket);
    const lowered = this.#lowered;
    return () => {
      if (lowered === this.#lowered) this.#kept = Math.max(this.#kept, ticket);
    };
  }

  /** Nothing beyond this ticket was sent, nor is before the mark is raised again. True where that is news to the store. */
  lower(ticket: number): boolean {
    if (this.#promised <= ticket) return false;
    this.#promised = ticket;
    this.#kept = Math.min(this.#kept, ticket);
    this.#lowered++;
    return true;
  }
}
