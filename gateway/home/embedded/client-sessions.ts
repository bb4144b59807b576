import { randomBytes } from 'node:crypto';
import { Fault } from '../../../policies/fault.ts';
import { StreamFault } from '../../xmpp/stream-error.ts';
import type { Accounts } from './accounts.ts';
import type { SignedIn } from './client-sasl.ts';
import { ClientSession, type SessionContext } from './client-session.ts';
import type { ClientSessionTable } from './client-session-table.ts';
import type { SessionHost } from './session.ts';
import type { QueueBounds } from './session-queue.ts';

export interface ClientSessionsOptions {
  readonly host: SessionHost;
  readonly table: ClientSessionTable;
  readonly accounts: Accounts;
  readonly bounds: QueueBounds;
  /** Sessions of one user at a time. */
  readonly resources: number;
  /** How long a session whose stream broke may be resumed, ms. */
  readonly resumptionMs: number;
  /** The wall clock, ms since 1970. */
  now(): number;
}

/** Sessions that are over and whose clients are still told, should they try to resume, how much of theirs we took. */
const EPITAPHS = 1_000;

/** All sessions of local clients: those on a stream, and those that may still be resumed. */
export class ClientSessions {
  readonly #options: ClientSessionsOptions;
  readonly #context: SessionContext;
  readonly #sessions = new Map<string, ClientSession>();
  /** By bare address and resource. */
  readonly #users = new Map<string, Map<string, ClientSession>>();
  readonly #epitaphs = new Map<string, { readonly user: string; readonly handled: number }>();
  #accountsVersion: string;

  constructor(options: ClientSessionsOptions) {
    this.#options = options;
    const { host, table, bounds } = options;
    this.#context = { host, table, bounds, end: (session, fault) => this.end(session, fault) };
    this.#accountsVersion = options.accounts.version();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Sessions without a stream. */
  get detached(): number {
    return [...this.#sessions.values()].filter(({ stream }) => stream === undefined).length;
  }

  /** Takes up what was kept before a restart. */
  restore(): void {
    const { table, accounts, now } = this.#options;
    for (const kept of table.all()) {
      const { local, domain, changed } = kept.user;
      if (accounts.changed(local, domain) !== changed) {
        table.remove(kept.id);
        continue;
      }
      const session = ClientSession.restored(kept, now(), this.#context);
      if (!session.over) this.#add(session);
    }
  }

  /**
   * Binds a resource, made up where `wanted` is ''; another session that has it makes way (RFC 6120 §7.7.2.2).
   * Undefined where the user has as many as may be.
   */
  bind(user: SignedIn, wanted: string): ClientSession | undefined {
    const resource = wanted === '' ? randomBytes(8).toString('hex') : wanted;
    const others = this.#users.get(bareOf(user));
    const same = others?.get(resource);
    if (same) this.end(same, new StreamFault('conflict', 'session-replaced'));
    else if (others && others.size >= this.#options.resources) {
      const [oldest] = [...others.values()]
        .filter(({ detachedAt }) => detachedAt !== undefined)
        .sort((one, other) => (one.detachedAt ?? 0) - (other.detachedAt ?? 0));
      if (oldest === undefined) return undefined;
      this.end(oldest, new Fault('session-replaced'));
    }
    const session = new ClientSession(user, resource, this.#context);
    this.#add(session);
    return session;
  }

  /** The session that a user's client may resume by this id; it leaves the stream where it still is. */
  resumable(user: SignedIn, id: string): ClientSession | undefined {
    const session = this.#sessions.get(id);
    if (!session?.resumable || bareOf(session.user) !== bareOf(user)) return undefined;
    session.detach(this.#options.now())?.fail(new StreamFault('conflict', 'session-replaced', 'Resumed elsewhere.'));
    return session;
  }

  /** How much was taken of the client of a session that is over; undefined where that is not known. */
  handledBy(user: SignedIn, id: string): number | undefined {
    const epitaph = this.#epitaphs.get(id);
    return epitaph?.user === bareOf(user) ? epitaph.handled : undefined;
  }

  /** The stream of a session is over. Where it broke, the client may come back. */
  lost(session: ClientSession, fault: Fault | undefined): void {
    session.detach(this.#options.now());
    const broke = fault !== undefined && !(fault instanceof StreamFault);
    if (!broke || !session.resumable) this.end(session, fault ?? new Fault('session-ended'));
  }

  /** Ends a session for good, and its stream with the error of a {@link StreamFault}. */
  end(session: ClientSession, fault: Fault): void {
    if (session.over) return;
    const unsettled = session.finish();
    this.#remove(session);
    const stream = session.detach(this.#options.now());
    if (fault instanceof StreamFault) stream?.fail(fault);
    else stream?.destroy(fault);
    this.#options.host.closed(session, unsettled);
  }

  /** Ends what nobody resumed in time, and the sessions of users who were removed or have a new password. */
  lookOver(now: number): void {
    const { resumptionMs } = this.#options;
    for (const session of [...this.#sessions.values()]) {
      if (session.detachedAt !== undefined && now - session.detachedAt >= resumptionMs) {
        this.end(session, new Fault('session-ended', 'Nobody resumed it in time.'));
      }
    }
    this.#checkAccounts();
  }

  /** The gateway stops: who may resume does so after the restart, all others are over. */
  suspend(): void {
    const stopping = new StreamFault('system-shutdown', 'shutting-down');
    for (const session of [...this.#sessions.values()]) {
      if (!session.resumable) {
        this.end(session, stopping);
        continue;
      }
      session.finish();
      session.detach(this.#options.now())?.fail(stopping);
    }
    this.#sessions.clear();
    this.#users.clear();
  }

  #checkAccounts(): void {
    const { accounts } = this.#options;
    const version = accounts.version();
    if (version === this.#accountsVersion) return;
    this.#accountsVersion = version;
    for (const session of [...this.#sessions.values()]) {
      const { local, domain, changed } = session.user;
      if (accounts.changed(local, domain) !== changed) {
        this.end(session, new StreamFault('not-authorized', 'account-changed'));
      }
    }
  }

  #add(session: ClientSession): void {
    const user = bareOf(session.user);
    this.#sessions.set(session.id, session);
    const resources = this.#users.get(user) ?? new Map<string, ClientSession>();
    this.#users.set(user, resources.set(session.address.resource, session));
  }

  #remove(session: ClientSession): void {
    const user = bareOf(session.user);
    this.#sessions.delete(session.id);
    const resources = this.#users.get(user);
    resources?.delete(session.address.resource);
    if (resources?.size === 0) this.#users.delete(user);
    if (!session.resumable) return;
    this.#options.table.remove(session.id);
    this.#epitaphs.set(session.id, { user, handled: session.handled });
    const [first] = this.#epitaphs.keys();
    if (this.#epitaphs.size > EPITAPHS && first !== undefined) this.#epitaphs.delete(first);
  }
}

function bareOf({ local, domain }: SignedIn): string {
  return `${local}@${domain}`;
}
