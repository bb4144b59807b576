import type { Journal } from '../../bridge/journal.ts';
import type { Home, HomeHost, Taken } from '../../bridge/ports.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Store } from '../../store/store.ts';
import type { ListenerLimits } from '../../xmpp/listener.ts';
import type { OwnCertificates } from '../../xmpp/own-certificates.ts';
import type { Accounts } from './accounts.ts';
import { ClientEdge, type ClientEdgeOptions, type ClientListenOn } from './client-edge.ts';
import { serverCaps } from './disco.ts';
import { im } from './im-namespaces.ts';
import { LocalUsers, type LocalUsersOptions } from './local-users.ts';

/** Settings as plain numbers: ms, bytes, counts. */
export interface EmbeddedHomeOptions {
  readonly users: LocalUsersOptions;
  readonly clients: Omit<ClientEdgeOptions, 'features'>;
  readonly listen: readonly ClientListenOn[];
  readonly connections: ListenerLimits;
}

export interface EmbeddedHomeParts {
  readonly host: HomeHost;
  readonly journal: Journal;
  readonly store: Store;
  readonly accounts: Accounts;
  readonly certificates: OwnCertificates;
  readonly options: EmbeddedHomeOptions;
  /** The wall clock, ms since 1970. */
  now(): number;
}

/** How often what waits is looked over, ms: it waits for days. */
const ROUND_MS = 60_000;

/** What a signed-in client is offered besides what its stream does: RFC 6121 §2.6.1 and §3.4.1, XEP-0115 §6.3. */
const features = [`<ver xmlns="${im.rosterVersion}"/>`, `<sub xmlns="${im.preApproval}"/>`, serverCaps];

/** The home side where no other server stands: the gateway's own clients and users. */
export class EmbeddedHome implements Home {
  readonly keeps = true;
  readonly #parts: EmbeddedHomeParts;
  readonly #users: LocalUsers;
  readonly #clients: ClientEdge;
  /** Partners whose stanzas came before we were ready. */
  readonly #early = new Set<string>();
  #state: 'new' | 'ready' | 'closed' = 'new';
  #round: NodeJS.Timeout | undefined;

  constructor(parts: EmbeddedHomeParts) {
    this.#parts = parts;
    const { host, journal, store, accounts, certificates, options, now } = parts;
    this.#users = new LocalUsers({ host, store, accounts, options: options.users });
    this.#clients = new ClientEdge({
      host: this.#users,
      store,
      accounts,
      certificates,
      journal,
      domains: options.users.domains,
      listen: options.listen,
      limits: options.connections,
      options: { ...options.clients, features },
      now,
    });
  }

  /**
   * Takes up the sessions of before a restart, opens every listener, and asks for presence anew; the middle and its edge
   * must be ready. Resolves with the addresses of the listeners; rejects as {@link ClientEdge.start} does.
   */
  async start(): Promise<ClientListenOn[]> {
    const bound = await this.#clients.start();
    this.#state = 'ready';
    this.#users.recovered();
    this.#round = setInterval(() => this.#users.lookAfter(this.#parts.now()), ROUND_MS);
    for (const partner of this.#early) this.#parts.host.roomForHome(partner);
    this.#early.clear();
    return bound;
  }

  /** Messages that local users have not taken yet. */
  get queued(): number {
    return this.#users.queued;
  }

  /** Connections, sessions and sessions without a connection, for metrics. */
  get load(): { readonly connections: number; readonly sessions: number; readonly detached: number } {
    return this.#clients.load;
  }

  deliver(partner: string, stanza: Stanza): Taken {
    if (this.#state === 'ready') this.#users.inbound(stanza);
    else if (stanza.kept !== undefined) {
      this.#early.add(partner);
      return 'none';
    } else this.#parts.host.undeliverable(stanza, 'home-unavailable');
    return 'more';
  }

  room(partner: string): void {
    this.#users.room(partner);
  }

  /** Sends the clients away; those that may resume do so after the restart. What waits for users stays in the store. */
  async close(): Promise<void> {
    clearInterval(this.#round);
    await this.#clients.close();
    this.#state = 'closed';
  }
}
