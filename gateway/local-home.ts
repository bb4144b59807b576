import type { PolicySet } from '../policies/set.ts';
import type { Bridge } from './bridge/bridge.ts';
import type { Home } from './bridge/ports.ts';
import type { Config } from './config/config.ts';
import { embeddedOptions } from './embedded-options.ts';
import { homeOptions, partnerDomains } from './gateway-options.ts';
import { ComponentHome } from './home/component-home.ts';
import { Accounts } from './home/embedded/accounts.ts';
import { EmbeddedHome } from './home/embedded/embedded-home.ts';
import type { JournalLog } from './journal-log.ts';
import type { Store } from './store/store.ts';
import type { OwnCertificates } from './xmpp/own-certificates.ts';

/** A home as the composition root sees it, whichever it is. */
export interface LocalHome {
  readonly home: Home;
  /** Opens what it has to open; resolves with where clients arrive. Rejects with a Fault. */
  start(): Promise<ClientAddresses>;
  /** Policies have changed. */
  policiesChanged(policies: PolicySet): void;
  /** Links to the home server that stand or not, by partner domain. */
  readonly links: ReadonlyMap<string, boolean>;
  /** Stanzas that the home has not taken yet. */
  readonly queued: number;
  /** Clients that are signed in. */
  readonly sessions: number;
  close(): Promise<void>;
}

export interface ClientAddresses {
  readonly clients: readonly { readonly host: string; readonly port: number }[];
  readonly webSockets: readonly { readonly host: string; readonly port: number }[];
}

export interface LocalHomeParts {
  readonly config: Config;
  readonly policies: PolicySet;
  readonly bridge: Bridge;
  readonly journal: JournalLog;
  readonly store: Store;
  readonly certificates: OwnCertificates;
  /** Of the component links, '' where the home is embedded. */
  readonly secret: string;
}

/** Builds the home that the configuration names. */
export function localHome(parts: LocalHomeParts): LocalHome {
  const { config, bridge: host, journal } = parts;
  const link = config.home.xmpp;
  if (link.link === 'embedded') {
    const { store, certificates } = parts;
    const accounts = new Accounts(store, { now: Date.now });
    const options = embeddedOptions(config, link, new Set(accounts.list().map(({ domain }) => domain)));
    const home = new EmbeddedHome({ host, journal, store, accounts, certificates, options, now: Date.now });
    return {
      home,
      start: async () => {
        const bound = await home.start();
        return {
          clients: bound.filter(({ over }) => !over.startsWith('websocket')),
          webSockets: bound.filter(({ over }) => over.startsWith('websocket')),
        };
      },
      policiesChanged: () => undefined,
      links: new Map(),
      get queued() {
        return home.queued;
      },
      get sessions() {
        return home.load.sessions;
      },
      close: () => home.close(),
    };
  }
  const options = homeOptions(config, parts.secret, parts.policies);
  const home = new ComponentHome({ host, journal, random: Math.random, options });
  return {
    home,
    start: async () => {
      home.start();
      return { clients: [], webSockets: [] };
    },
    policiesChanged: (policies) => home.expect(partnerDomains(policies)),
    get links() {
      return home.links;
    },
    get queued() {
      return home.queued;
    },
    sessions: 0,
    close: () => home.close(),
  };
}
