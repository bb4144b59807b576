import type { Resource } from './resources.ts';

/** Who may send no more for now, for the sake of which partner domains. */
export class PausedSessions {
  readonly #waiting = new Map<string, Set<Resource>>();

  /** The way to a partner is full: the resource is read no further. */
  pause(partner: string, resource: Resource): void {
    let waiting = this.#waiting.get(partner);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(partner, waiting);
    }
    waiting.add(resource);
    resource.session.pause();
  }

  /** The way to a partner takes more: who waits for no other is read again. */
  room(partner: string): void {
    const waiting = this.#waiting.get(partner) ?? [];
    this.#waiting.delete(partner);
    for (const resource of waiting) if (!this.#waits(resource)) resource.session.resume();
  }

  /** The resource is gone. */
  forget(resource: Resource): void {
    for (const waiting of this.#waiting.values()) waiting.delete(resource);
  }

  #waits(resource: Resource): boolean {
    for (const waiting of this.#waiting.values()) if (waiting.has(resource)) return true;
    return false;
  }
}
