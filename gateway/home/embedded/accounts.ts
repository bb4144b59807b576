import { randomBytes } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import { parseAddress } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import type { Store } from '../../store/store.ts';
import { preparePassword } from './password.ts';
import {
  decoyVerifier,
  ITERATIONS,
  SALT_BYTES,
  type ScramHash,
  type ScramVerifier,
  verifierOf,
} from './scram-verifier.ts';

/** A local user. Names are prepared as {@link accountName} does it; times are ms since 1970. */
export interface Account {
  readonly local: string;
  readonly domain: string;
  readonly created: number;
  /** When the password was last set. */
  readonly changed: number;
}

/** What a sign-in is checked against. */
export interface Credentials {
  /** When the password was last set; undefined where there is no such user, whose verifiers no password then fits. */
  readonly changed: number | undefined;
  readonly verifiers: Readonly<Record<ScramHash, ScramVerifier>>;
}

export interface AccountsOptions {
  /** The wall clock, ms since 1970. */
  now(): number;
  /** Rounds of PBKDF2 for passwords set from now on. */
  readonly iterations?: number;
}

/** What the account table is reached through. */
export type AccountStore = Pick<Store, 'prepare' | 'write' | 'whenKept'>;

type Row = Readonly<Record<string, string | number | Uint8Array>>;

/**
 * The local users, as SCRAM verifiers (RFC 5802 §3): no password is ever stored. Every look-up asks the store, so that
 * what a command in another process changed holds at once.
 */
export class Accounts {
  readonly #store: AccountStore;
  readonly #options: AccountsOptions;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #one: StatementSync;
  readonly #all: StatementSync;
  readonly #otherChanges: StatementSync;
  readonly #decoyKey: Buffer;
  #ownChanges = 0;

  constructor(store: AccountStore, options: AccountsOptions) {
    this.#store = store;
    this.#options = options;
    this.#insert = store.prepare(`
      INSERT OR IGNORE INTO account VALUES (:local, :domain, :iterations, :sha1_salt, :sha1_stored, :sha1_server,
        :sha256_salt, :sha256_stored, :sha256_server, :now, :now)`);
    this.#update = store.prepare(`
      UPDATE account SET iterations = :iterations, sha1_salt = :sha1_salt, sha1_stored = :sha1_stored,
        sha1_server = :sha1_server, sha256_salt = :sha256_salt, sha256_stored = :sha256_stored,
        sha256_server = :sha256_server, changed = max(:now, changed + 1) WHERE domain = :domain AND local = :local`);
    this.#delete = store.prepare('DELETE FROM account WHERE domain = :domain AND local = :local');
    this.#one = store.prepare('SELECT * FROM account WHERE domain = :domain AND local = :local');
    this.#all = store.prepare('SELECT local, domain, created, changed FROM account ORDER BY domain, local');
    this.#otherChanges = store.prepare('PRAGMA data_version');
    this.#decoyKey = Buffer.from(store.prepare('SELECT key FROM account_decoy').get()?.key as Uint8Array);
  }

  /**
   * Adds a user; resolves when it is kept. `also` writes what comes with the user, in the same transaction. Rejects with
   * Fault `account-exists`, `password-unusable`, `address-malformed`, or what the store says.
   */
  async add(local: string, domain: string, password: string, also?: () => void): Promise<void> {
    const name = requireName(local, domain);
    const row = await this.#row(name, password);
    await this.#kept(() => {
      if (this.#insert.run(row).changes === 0) {
        throw new Fault('account-exists', `${name.local}@${name.domain} exists already.`);
      }
      also?.();
    });
  }

  /** Sets a user's password; resolves when it is kept. Rejects as {@link add} does, and with `account-unknown`. */
  async setPassword(local: string, domain: string, password: string): Promise<void> {
    const name = requireName(local, domain);
    const row = await this.#row(name, password);
    await this.#kept(() => requireChange(this.#update.run(row).changes, name));
  }

  /** Removes a user; resolves when it is kept. Rejects with Fault `account-unknown`, or what the store says. */
  async remove(local: string, domain: string): Promise<void> {
    const name = requireName(local, domain);
    await this.#kept(() => requireChange(this.#delete.run({ ...name }).changes, name));
  }

  /** All users, by domain and name. */
  list(): Account[] {
    return (this.#all.all() as unknown as Account[]).map((row) => ({ ...row }));
  }

  /** Whether there is such a user; names are prepared. */
  exists(local: string, domain: string): boolean {
    return this.changed(local, domain) !== undefined;
  }

  /** When the password was last set; undefined where there is no such user. Names are prepared. */
  changed(local: string, domain: string): number | undefined {
    return this.#one.get({ local, domain })?.changed as number | undefined;
  }

  /** Another text whenever accounts may have changed, be it by another process. */
  version(): string {
    return `${this.#otherChanges.get()?.data_version}.${this.#ownChanges}`;
  }

  /** What a sign-in is checked against, for unknown users too: nobody learns from it who exists (RFC 5802 §9). */
  credentials(local: string, domain: string): Credentials {
    const row = this.#one.get({ local, domain }) as Row | undefined;
    const decoy = (hash: ScramHash): ScramVerifier =>
      decoyVerifier(hash, this.#decoyKey, `${local}@${domain}`, this.#iterations);
    // Made whether or not they are needed: the time it takes would tell too.
    const decoys = { 'SHA-1': decoy('SHA-1'), 'SHA-256': decoy('SHA-256') };
    const verifiers =
      row === undefined ? decoys : { 'SHA-1': readVerifier(row, 'sha1'), 'SHA-256': readVerifier(row, 'sha256') };
    return { changed: row?.changed as number | undefined, verifiers };
  }

  get #iterations(): number {
    return this.#options.iterations ?? ITERATIONS;
  }

  async #row(
    name: { local: string; domain: string },
    password: string,
  ): Promise<Record<string, string | number | Buffer>> {
    const prepared = preparePassword(password);
    const make = (hash: ScramHash): Promise<ScramVerifier> =>
      verifierOf(hash, prepared, randomBytes(SALT_BYTES), this.#iterations);
    const [sha1, sha256] = await Promise.all([make('SHA-1'), make('SHA-256')]);
    return {
      ...name,
      iterations: this.#iterations,
      sha1_salt: sha1.salt,
      sha1_stored: sha1.storedKey,
      sha1_server: sha1.serverKey,
      sha256_salt: sha256.salt,
      sha256_stored: sha256.storedKey,
      sha256_server: sha256.serverKey,
      now: this.#options.now(),
    };
  }

  #kept(work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#store.write(work, reject);
      this.#store.whenKept(() => {
        this.#ownChanges++;
        resolve();
      });
    });
  }
}

/** A user's name and domain as accounts are found by; undefined where they make no bare address (RFC 7622 §3.3). */
export function accountName(local: string, domain: string): { local: string; domain: string } | undefined {
  if (/[@/]/.test(local)) return undefined;
  const address = parseAddress(`${local}@${domain}`);
  return address === undefined || address.resource !== '' || address.local === ''
    ? undefined
    : { local: address.local, domain: address.domain };
}

function requireName(local: string, domain: string): { local: string; domain: string } {
  const name = accountName(local, domain);
  if (name === undefined) throw new Fault('address-malformed', `"${local}@${domain}" is no address of a user.`);
  return name;
}

function requireChange(changes: number | bigint, { local, domain }: { local: string; domain: string }): void {
  if (changes === 0) throw new Fault('account-unknown', `There is no user ${local}@${domain}.`);
}

function readVerifier(row: Row, hash: 'sha1' | 'sha256'): ScramVerifier {
  const blob = (name: string): Buffer => Buffer.from(row[`${hash}_${name}`] as Uint8Array);
  return {
    salt: blob('salt'),
    iterations: row.iterations as number,
    storedKey: blob('stored'),
    serverKey: blob('server'),
  };
}
