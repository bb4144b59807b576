import type { Stanza } from '../bridge/stanza.ts';

/** Times one stanza may head what a broken connection left unconfirmed before it is taken for the cause. */
const POISON = 4;

/** Stanzas waiting in order, each until its deadline (ms since the epoch). The owner bounds it. */
export class StanzaQueue {
  bytes = 0;
  #items: { stanza: Stanza; deadline: number }[] = [];
  #head = 0;
  #suspect: Stanza | undefined;
  #suspicions = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Whether connections have broken over the same stanzas more than once. */
  get suspicious(): boolean {
    return this.#suspicions > 1;
  }

  /** Deadline of the first, infinite where there is none. */
  get nextDeadline(): number {
    return this.#items[this.#head]?.deadline ?? Number.POSITIVE_INFINITY;
  }

  push(stanza: Stanza, deadline: number): void {
    this.#items.push({ stanza, deadline });
    this.bytes += stanza.bytes.length;
  }

  /**
   * Puts back, before all others and in order, what a broken connection left in doubt. A stanza that headed it
   * again and again is returned instead: sending it once more would only break the next connection. One that was under
   * way `alone` counts twice.
   */
  restore(stanzas: readonly Stanza[], deadline: number, alone = false): Stanza | undefined {
    const first = stanzas[0];
    if (first === undefined) return undefined;
    this.#suspicions = (first === this.#suspect ? this.#suspicions : 0) + (alone ? 2 : 1);
    this.#suspect = first;
    const poison = this.#suspicions >= POISON ? first : undefined;
    this.putBack(poison === undefined ? stanzas : stanzas.slice(1), deadline);
    return poison;
  }

  /** Puts back, before all others and in order, what a broken connection certainly did not pass on. */
  putBack(stanzas: readonly Stanza[], deadline: number): void {
    if (stanzas.length === 0) return;
    this.#items = [...stanzas.map((stanza) => ({ stanza, deadline })), ...this.#items.slice(this.#head)];
    this.#head = 0;
    for (const stanza of stanzas) this.bytes += stanza.bytes.length;
  }

  /** Takes out, in order, those that are kept elsewhere. */
  takeKept(): Stanza[] {
    const items = this.#items.slice(this.#head);
    const kept = items.filter(({ stanza }) => stanza.kept !== undefined).map(({ stanza }) => stanza);
    if (kept.length === 0) return kept;
    this.#items = items.filter(({ stanza }) => stanza.kept === undefined);
    this.#head = 0;
    for (const stanza of kept) this.bytes -= stanza.bytes.length;
    return kept;
  }

  shift(): Stanza | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    this.bytes -= item.stanza.bytes.length;
    if (this.#head > 1024 || this.#head === this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item.stanza;
  }

  /** Takes out what has waited too long, in order: nothing overtakes, so what stands behind waits for the first. */
  expire(now: number): Stanza[] {
    const expired: Stanza[] = [];
    while (this.length > 0 && this.nextDeadline <= now) expired.push(this.shift() as Stanza);
    return expired;
  }

  /** Takes out everything, in order. */
  drain(): Stanza[] {
    return this.expire(Number.POSITIVE_INFINITY);
  }
}
