import { endpointText } from '../../../policies/address.ts';
import type { Connection } from './connection.ts';
import type { Endpoint } from './flow.ts';

/** Rows of one connection: a peer may speak for a few listening ports of its own, and must not fill the table. */
const ROWS = 4;

/**
 * Which connections lead where (RFC 5923 §5, §8): those that we opened to where they were opened, those of peers to
 * where they said by `;alias` that they listen. Identities are compared by who asks.
 */
export class AliasTable {
  readonly #rows = new Map<string, Set<Connection>>();
  readonly #keys = new Map<Connection, Set<string>>();

  /** Rows in all. */
  get size(): number {
    let size = 0;
    for (const keys of this.#keys.values()) size += keys.size;
    return size;
  }

  add(endpoint: Endpoint, connection: Connection): void {
    const key = endpointText(endpoint);
    const keys = this.#keys.get(connection) ?? new Set();
    if (keys.has(key) || keys.size >= ROWS) return;
    this.#keys.set(connection, keys.add(key));
    this.#rows.set(key, (this.#rows.get(key) ?? new Set()).add(connection));
  }

  /** Connections that lead there, the newest first: an older one may be what a restarted peer left behind. */
  to(endpoint: Endpoint): readonly Connection[] {
    return [...(this.#rows.get(endpointText(endpoint)) ?? [])].reverse();
  }

  delete(connection: Connection): void {
    for (const key of this.#keys.get(connection) ?? []) {
      const row = this.#rows.get(key);
      row?.delete(connection);
      if (row?.size === 0) this.#rows.delete(key);
    }
    this.#keys.delete(connection);
  }
}
