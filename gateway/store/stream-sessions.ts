import type { StatementSync } from 'node:sqlite';
import type { Store } from './store.ts';

/** Most sessions remembered: who floods with new ones drives out those kept longest ago, never the memory or the disk. */
const SESSIONS = 10_000;

/** An incoming stream that its peer may resume (XEP-0198 §5). */
export interface StreamSession {
  readonly id: string;
  readonly partner: string;
  readonly home: string;
  /** ms since 1970; kept again from time to time while its stream stands. */
  readonly expires: number;
}

/** A session of this process. */
interface Live {
  readonly session: StreamSession;
  readonly handled: () => number;
  /** Its position is written with the next commit. */
  dirty: boolean;
}

/** Up to where each resumable stream was handled, kept in the same commits as what was handled: a crash forgets nothing. */
export class StreamSessions {
  readonly #store: Store;
  readonly #most: number;
  readonly #live = new Map<string, Live>();
  readonly #keep: StatementSync;
  readonly #update: StatementSync;
  readonly #find: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteExpired: StatementSync;
  readonly #count: StatementSync;
  readonly #deleteSurplus: StatementSync;

  constructor(store: Store, most: number = SESSIONS) {
    this.#store = store;
    this.#most = most;
    this.#keep = store.prepare(
      'INSERT OR REPLACE INTO stream_session (id, partner, home, handled, expires) VALUES (?, ?, ?, ?, ?)',
    );
    this.#update = store.prepare('UPDATE stream_session SET handled = ? WHERE id = ?');
    this.#find = store.prepare('SELECT partner, home, handled, expires FROM stream_session WHERE id = ?');
    this.#delete = store.prepare('DELETE FROM stream_session WHERE id = ?');
    this.#deleteExpired = store.prepare('DELETE FROM stream_session WHERE expires <= ?');
    this.#count = store.prepare('SELECT count(*) AS count FROM stream_session');
    this.#deleteSurplus = store.prepare(
      'DELETE FROM stream_session WHERE id IN (SELECT id FROM stream_session ORDER BY expires LIMIT ?)',
    );
  }

  /** Remembers a session from now on, or longer. `handled` tells the count whenever it is to be written. */
  keep(session: StreamSession, handled: () => number): void {
    const { id, partner, home, expires } = session;
    this.#live.delete(id);
    this.#live.set(id, { session, handled, dirty: false });
    for (const oldest of this.#live.keys()) {
      if (this.#live.size <= this.#most) break;
      this.#live.delete(oldest);
    }
    this.#store.writeLast(() => {
      this.#keep.run(id, partner, home, handled(), expires);
      const surplus = Number(this.#count.get()?.count) - this.#most;
      if (surplus > 0) this.#deleteSurplus.run(surplus);
    });
  }

  /** Stanzas were taken on it: its position goes into the next commit, as it is then. */
  touched(id: string): void {
    const live = this.#live.get(id);
    if (live === undefined || live.dirty) return;
    live.dirty = true;
    const clean = (): void => {
      live.dirty = false;
    };
    this.#store.writeLast(() => {
      clean();
      this.#update.run(live.handled(), id);
    }, clean);
  }

  /** A session of this process or of one before; whether it has expired is for the caller to judge. */
  find(id: string): (StreamSession & { readonly handled: number }) | undefined {
    const live = this.#live.get(id);
    if (live !== undefined) return { ...live.session, handled: live.handled() };
    const row = this.#find.get(id);
    if (row === undefined) return undefined;
    return {
      id,
      partner: String(row.partner),
      home: String(row.home),
      handled: Number(row.handled),
      expires: Number(row.expires),
    };
  }

  forget(id: string): void {
    this.#live.delete(id);
    this.#store.writeLast(() => this.#delete.run(id));
  }

  /** Drops what has expired by `now`, ms since 1970. */
  sweep(now: number): void {
    for (const [id, { session }] of this.#live) if (session.expires <= now) this.#live.delete(id);
    this.#store.writeLast(() => this.#deleteExpired.run(now));
  }
}
