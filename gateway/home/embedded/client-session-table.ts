import type { StatementSync } from 'node:sqlite';
import type { Fault } from '../../../policies/fault.ts';
import type { Store } from '../../store/store.ts';
import type { SignedIn } from './client-sasl.ts';

/** A resumable session as it was last kept. */
export interface KeptSession {
  readonly id: string;
  readonly user: SignedIn;
  readonly resource: string;
  /** Stanzas taken of the client. */
  readonly handled: number;
  readonly remembered: string;
  /** Mailbox rows and the position at which each was sent, in order. */
  readonly mail: readonly { readonly position: number; readonly mail: number }[];
}

/** The sessions that clients may resume after a restart, in the store (migration 3). */
export class ClientSessionTable {
  readonly #store: Pick<Store, 'prepare' | 'write' | 'writeLast'>;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #handled: StatementSync;
  readonly #remember: StatementSync;
  readonly #sent: StatementSync;
  readonly #settled: StatementSync;
  readonly #forgetMail: StatementSync;

  constructor(store: Pick<Store, 'prepare' | 'write' | 'writeLast'>) {
    this.#store = store;
    this.#insert = store.prepare('INSERT INTO client_session VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#delete = store.prepare('DELETE FROM client_session WHERE id = ?');
    this.#handled = store.prepare('UPDATE client_session SET handled = ? WHERE id = ?');
    this.#remember = store.prepare('UPDATE client_session SET remembered = ? WHERE id = ?');
    this.#sent = store.prepare('INSERT INTO client_session_mail VALUES (?, ?, ?)');
    this.#settled = store.prepare('DELETE FROM client_session_mail WHERE session = ? AND position <= ?');
    this.#forgetMail = store.prepare('DELETE FROM client_session_mail WHERE session = ?');
  }

  /** All sessions, to be read once at start. */
  all(): KeptSession[] {
    const mail = this.#store.prepare(
      'SELECT position, mail FROM client_session_mail WHERE session = ? ORDER BY position',
    );
    return this.#store
      .prepare('SELECT * FROM client_session ORDER BY id')
      .all()
      .map((row) => ({
        id: String(row.id),
        user: { local: String(row.local), domain: String(row.domain), changed: Number(row.account_changed) },
        resource: String(row.resource),
        handled: Number(row.handled),
        remembered: String(row.remembered),
        mail: mail.all(String(row.id)).map((sent) => ({ position: Number(sent.position), mail: Number(sent.mail) })),
      }));
  }

  add(session: Omit<KeptSession, 'mail' | 'handled'>, failed: (fault: Fault) => void): void {
    const { id, user, resource, remembered } = session;
    this.#store.write(
      () => this.#insert.run(id, user.local, user.domain, resource, user.changed, 0, remembered),
      failed,
    );
  }

  /**
   * `handled` is asked when it is written, behind all that was taken up to then: that is in the same commit or an earlier
   * one. `failed` is told where the store does not take it, perhaps without having asked.
   */
  handled(id: string, handled: () => number, failed: () => void): void {
    this.#store.writeLast(() => this.#handled.run(handled(), id), failed);
  }

  remember(id: string, text: string): void {
    this.#store.write(() => this.#remember.run(text, id));
  }

  sent(id: string, position: number, mail: number, failed: (fault: Fault) => void): void {
    this.#store.write(() => this.#sent.run(id, position, mail), failed);
  }

  settled(id: string, position: number): void {
    this.#store.write(() => this.#settled.run(id, position));
  }

  /** Forgets all positions, for others to take their place. */
  forgetMail(id: string): void {
    this.#store.write(() => this.#forgetMail.run(id));
  }

  remove(id: string): void {
    this.#store.write(() => {
      this.#forgetMail.run(id);
      this.#delete.run(id);
    });
  }
}
