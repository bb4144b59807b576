/**
 * A TLS session to resume. The ticket does not hold the chain of the peer, and Node shows none after a resumption: what
 * the full handshake showed stays with it.
 */
export interface PeerSession {
  readonly ticket: Buffer;
  /** DER, leaf first. */
  readonly chain: readonly Buffer[];
}

/** Sessions kept: one a pair of domains, some 5 KiB each. */
const SESSIONS = 1000;

/** TLS sessions for resumption (RFC 6120 §3.3 asks for it), by the identities they were made under. */
export class SessionCache {
  readonly #sessions = new Map<string, PeerSession>();

  get(key: string): PeerSession | undefined {
    return this.#sessions.get(key);
  }

  put(key: string, session: PeerSession): void {
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
