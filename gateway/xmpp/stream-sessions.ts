/** One stream that a partner may resume (XEP-0198 §5). */
export interface StreamSession {
  /** 128 random bits: the `id` of `<enabled/>`, the `previd` of `<resume/>`. */
  readonly id: string;
  readonly partner: string;
  readonly home: string;
  /** Until when it is remembered, ms since the epoch; kept again from time to time while its stream stands. */
  readonly expires: number;
}

/**
 * Remembers how many stanzas were handled on each resumable stream that partners opened. A store that outlives a crash
 * writes the count in one commit with the stanzas it counts, so that a peer learns exactly which ones were taken.
 */
export interface StreamSessions {
  /** Remembers a session from now on, or longer. `handled` tells the count, 0 to 2^32 − 1, whenever it is to be written. */
  keep(session: StreamSession, handled: () => number): void;
  /** Stanzas of this session were handled in this turn: its count is written with them. */
  touched(id: string): void;
  find(id: string): (StreamSession & { readonly handled: number }) | undefined;
  forget(id: string): void;
  /** Drops what has expired by `now`, ms since the epoch. */
  sweep(now: number): void;
}

/** Sessions remembered at once: some for every stream that a gateway has, each of a few hundred bytes. */
export const SESSIONS = 10_000;

/** {@link StreamSessions} that a crash forgets. Of too many, those go that were kept longest ago. */
export class VolatileStreamSessions implements StreamSessions {
  readonly #sessions = new Map<string, { session: StreamSession; handled: () => number }>();

  keep(session: StreamSession, handled: () => number): void {
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, { session, handled });
    for (const id of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSIONS) break;
      this.#sessions.delete(id);
    }
  }

  touched(): void {}

  find(id: string): (StreamSession & { readonly handled: number }) | undefined {
    const known = this.#sessions.get(id);
    return known && { ...known.session, handled: known.handled() };
  }

  forget(id: string): void {
    this.#sessions.delete(id);
  }

  sweep(now: number): void {
    for (const [id, { session }] of this.#sessions) if (session.expires <= now) this.#sessions.delete(id);
  }
}
