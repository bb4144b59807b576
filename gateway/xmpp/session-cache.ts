/** Sessions kept: one a pair of domains, about 2 KiB each. */
const SESSIONS = 1000;

/** TLS sessions for resumption (RFC 6120 §3.3 asks for it), by the identities they were made under. */
export class SessionCache {
  readonly #sessions = new Map<string, Buffer>();

  get(key: string): Buffer | undefined {
    return this.#sessions.get(key);
  }

  put(key: string, session: Buffer): void {
    this.#sessions.delete(key);
    if (this.#sessions.size >= SESSIONS) {
      const oldest = this.#sessions.keys().next().value;
      if (oldest !== undefined) this.#sessions.delete(oldest);
    }
    this.#sessions.set(key, session);
  }

  /** Forgets them all, e.g. when certificates or trust change. */
  clear(): void {
    this.#sessions.clear();
  }
}
