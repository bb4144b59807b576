import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Address, endpointText, wireBare } from '../../../policies/address.ts';
import { Fault, withPlace } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import { type Config, type KeyPlaces, requireConfig } from '../../config/config.ts';
import { type Account, Accounts } from '../../home/embedded/accounts.ts';
import { Store } from '../../store/store.ts';
import { pathText } from '../place-text.ts';
import { FirstVCard } from './first-vcard.ts';

const remedies: Partial<Record<ReasonCode, string>> = {
  'account-exists': 'to set another password: drawbridge user passwd',
  'account-unknown': 'see who there is: drawbridge user list',
};

/**
 * The users of the embedded home, in the store of the state folder: a running gateway has it open too, and takes up at
 * once what changes here.
 */
export class Users implements Disposable {
  readonly home: readonly string[];
  readonly #store: Store;
  readonly #accounts: Accounts;
  readonly #vcards: FirstVCard;
  readonly #place: KeyPlaces;

  /**
   * Opens the users of a configuration (absolute path). Rejects with Fault `users-elsewhere` where another server has
   * them, and with what stands against reading the configuration or opening the store.
   */
  static async open(configFile: string): Promise<Users> {
    const { config, place } = await requireConfig(configFile);
    requireEmbedded(config, place);
    try {
      await mkdir(config.state, { recursive: true, mode: 0o700 });
      await requireOwner(config.state);
      const { fsync, bytes } = config.store;
      return new Users(
        Store.open({ file: join(config.state, 'drawbridge.db'), fsync, bytes, now: Date.now }),
        config,
        place,
      );
    } catch (thrown) {
      throw withPlace(thrown, place('state'));
    }
  }

  private constructor(store: Store, config: Config, place: KeyPlaces) {
    this.home = config.home.domains;
    this.#store = store;
    this.#accounts = new Accounts(store, { now: Date.now });
    this.#vcards = new FirstVCard(store);
    this.#place = place;
  }

  /** Adds a user, with a vCard where there is a name. Rejects with a {@link Fault}, see `Accounts.add`. */
  async add(user: Address, password: string, name = ''): Promise<void> {
    this.requireHome(user);
    const vcard = (): void => this.#vcards.write(user.bare, name);
    await remedied(this.#accounts.add(user.local, user.domain, password, vcard));
  }

  async setPassword({ local, domain }: Address, password: string): Promise<void> {
    await remedied(this.#accounts.setPassword(local, domain, password));
  }

  /** Removes a user and what belongs to it. */
  async remove({ local, domain }: Address): Promise<void> {
    await remedied(this.#accounts.remove(local, domain));
  }

  has({ local, domain }: Address): boolean {
    return this.#accounts.exists(local, domain);
  }

  list(): Account[] {
    return this.#accounts.list();
  }

  /** Throws Fault `domain-not-home` for a user who could never sign in. */
  requireHome({ domain }: Address): void {
    if (this.home.includes(domain)) return;
    throw new Fault('domain-not-home', `${domain} is not one of the home domains.`, {
      place: this.#place('home', 'domains'),
      remedy: `home domains: ${this.home.join(', ')}`,
    });
  }

  /** Throws Fault `account-unknown`, before anybody is asked for a password. */
  requireKnown(user: Address): void {
    if (this.has(user)) return;
    const remedy = remedies['account-unknown'];
    throw new Fault('account-unknown', `There is no user ${wireBare(user)}.`, { remedy });
  }

  /** Throws Fault `account-exists`, before anybody is asked for a password. */
  requireNew(user: Address): void {
    this.requireHome(user);
    if (!this.has(user)) return;
    const remedy = remedies['account-exists'];
    throw new Fault('account-exists', `${wireBare(user)} exists already.`, { remedy });
  }

  [Symbol.dispose](): void {
    this.#store.close();
  }
}

function requireEmbedded({ home: { xmpp } }: Config, place: KeyPlaces): void {
  if (xmpp.link === 'embedded') return;
  throw new Fault(
    'users-elsewhere',
    `The local users are those of the server at ${endpointText(xmpp)}, which is linked as a component.`,
    {
      place: place('home', 'xmpp', 'link'),
      remedy: 'make them there, such as with `prosodyctl adduser` or `ejabberdctl register`; or write `link: embedded`',
    },
  );
}

/** Files of another owner would keep the gateway out of its own store. */
async function requireOwner(folder: string): Promise<void> {
  const uid = process.getuid?.();
  const { uid: owner } = await stat(folder);
  if (uid === undefined || uid === owner) return;
  throw new Fault(
    'store-unusable',
    `${pathText(folder)} belongs to another user than the one who runs this (uid ${owner}).`,
    {
      remedy: `run this as the gateway's user: sudo -u '#${owner}' drawbridge user …`,
    },
  );
}

async function remedied<T>(done: Promise<T>): Promise<T> {
  try {
    return await done;
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.remedy !== undefined) throw thrown;
    const { code, message, place, cause } = thrown;
    throw new Fault(code, message, { place, cause, remedy: remedies[code] });
  }
}
