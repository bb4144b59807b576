import type { StatementSync } from 'node:sqlite';
import { parseAddress, wireBare } from '../../../policies/address.ts';
import type { Fault } from '../../../policies/fault.ts';
import type { Store } from '../../store/store.ts';
import { isSubscriptionState, type SubscriptionState } from './subscription-states.ts';

/** One contact of a user, RFC 6121 §2.1.2. */
export interface RosterItem {
  /** Bare address, folded. */
  readonly contact: string;
  readonly state: SubscriptionState;
  /** Whether the user's clients see it: a contact that has only asked is no part of the roster yet (Appendix A.1). */
  readonly listed: boolean;
  /** Whether the contact may subscribe without asking, RFC 6121 §3.4. */
  readonly approved: boolean;
  readonly name: string;
  readonly groups: readonly string[];
  /** The presence stanza that asks, while the user has not answered (RFC 6121 §3.1.3). */
  readonly request: Buffer | undefined;
}

/** An item that says nothing yet. */
export function newItem(contact: string): RosterItem {
  return { contact, state: 'none', listed: false, approved: false, name: '', groups: [], request: undefined };
}

/** A contact's address as it is written. */
export function wireContact(contact: string): string {
  const address = parseAddress(contact);
  return address === undefined ? contact : wireBare(address);
}

/** A user's contacts, and how often what clients see of them has changed. */
export interface Roster {
  readonly version: number;
  readonly items: ReadonlyMap<string, RosterItem>;
  /** Of the items, how many the user has put there: the others only ask. */
  readonly own: number;
  /** Bytes of what the user's clients see of it, requests that wait left out; spelt for XML they may be more. */
  readonly bytes: number;
}

/** Rosters in memory: they are read again when they are asked for. */
const LOADED = 2_000;

interface Loaded {
  version: number;
  readonly items: Map<string, RosterItem>;
  own: number;
  bytes: number;
  /** Changes that the store has not kept yet: what it would read is not what holds. */
  pending: number;
}

/** The rosters of local users. A change holds at once; who must know that it is kept waits for it. */
export class Rosters {
  readonly #store: Store;
  readonly #loaded = new Map<string, Loaded>();
  readonly #version: StatementSync;
  readonly #items: StatementSync;
  readonly #setVersion: StatementSync;
  readonly #setItem: StatementSync;
  readonly #deleteItem: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#version = store.prepare('SELECT version FROM roster WHERE user = ?');
    this.#items = store.prepare('SELECT * FROM roster_item WHERE user = ?');
    this.#setVersion = store.prepare('INSERT OR REPLACE INTO roster (user, version) VALUES (?, ?)');
    this.#setItem = store.prepare(`
      INSERT OR REPLACE INTO roster_item (user, contact, state, listed, approved, name, groups, request)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#deleteItem = store.prepare('DELETE FROM roster_item WHERE user = ? AND contact = ?');
  }

  of(user: string): Roster {
    return this.#load(user);
  }

  item(user: string, contact: string): RosterItem {
    return this.#load(user).items.get(contact) ?? newItem(contact);
  }

  /**
   * Puts an item in place of the one of the same contact, or takes it out where nothing is left to say. `then` is told
   * once it is kept, or that it is not: then the roster is as before. Returns the roster's version with the change.
   */
  put(user: string, item: RosterItem, then: (fault: Fault | undefined) => void): { readonly version: number } {
    const roster = this.#load(user);
    const { contact } = item;
    const before = roster.items.get(contact);
    const left = isOwn(item) || item.state !== 'none';
    place(roster, contact, left ? item : undefined);
    if (item.listed || before?.listed) roster.version += 1;
    const { version } = roster;
    let failed: Fault | undefined;
    roster.pending += 1;
    this.#store.write(
      () => {
        if (left) this.#write(user, item);
        else this.#deleteItem.run(user, contact);
        this.#setVersion.run(user, version);
      },
      (fault) => {
        failed = fault;
      },
    );
    this.#store.whenKept(() => {
      roster.pending -= 1;
      if (failed !== undefined) this.#loaded.delete(user);
      then(failed);
    });
    return { version };
  }

  /** Users whose rosters are in memory. */
  get loaded(): readonly string[] {
    return [...this.#loaded.keys()];
  }

  /** The user is no more. */
  forget(user: string): void {
    this.#loaded.delete(user);
  }

  #write(user: string, { contact, state, listed, approved, name, groups, request }: RosterItem): void {
    const flags = [Number(listed), Number(approved)] as const;
    this.#setItem.run(user, contact, state, ...flags, name, JSON.stringify(groups), request ?? null);
  }

  #load(user: string): Loaded {
    const known = this.#loaded.get(user);
    const version = this.#version.get(user)?.version;
    // Where a roster that was kept is there no more, the user was removed, and somebody else may have come by that name.
    if (known !== undefined && (known.pending > 0 || known.items.size === 0 || version !== undefined)) {
      this.#loaded.delete(user);
      this.#loaded.set(user, known);
      return known;
    }
    const roster: Loaded = { version: Number(version ?? 0), items: new Map(), own: 0, bytes: 0, pending: 0 };
    for (const row of this.#items.all(user)) {
      const item = readItem(row);
      place(roster, item.contact, item);
    }
    this.#loaded.set(user, roster);
    for (const [oldest, { pending }] of this.#loaded) {
      if (this.#loaded.size <= LOADED) break;
      if (pending === 0) this.#loaded.delete(oldest);
    }
    return roster;
  }
}

/** Whether the user put it there: what is left only asks. */
export function isOwn({ listed, approved }: RosterItem): boolean {
  return listed || approved;
}

/** Bytes of an item, as {@link Roster.bytes} counts them. */
export function itemBytes({ contact, name, groups }: RosterItem): number {
  return [contact, name, ...groups].reduce((bytes, text) => bytes + Buffer.byteLength(text), 0);
}

/** Puts an item, or none, in place of the one of a contact. */
function place(roster: Loaded, contact: string, item: RosterItem | undefined): void {
  const before = roster.items.get(contact);
  for (const [counted, sign] of [
    [before, -1],
    [item, 1],
  ] as const) {
    if (counted === undefined) continue;
    roster.bytes += sign * itemBytes(counted);
    if (isOwn(counted)) roster.own += sign;
  }
  if (item === undefined) roster.items.delete(contact);
  else roster.items.set(contact, item);
}

function readItem(row: Record<string, unknown>): RosterItem {
  const state = String(row.state);
  return {
    contact: String(row.contact),
    state: isSubscriptionState(state) ? state : 'none',
    listed: row.listed === 1,
    approved: row.approved === 1,
    name: String(row.name),
    groups: JSON.parse(String(row.groups)) as string[],
    request: row.request === null ? undefined : Buffer.from(row.request as Uint8Array),
  };
}
