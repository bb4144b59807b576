import type { StatementSync } from 'node:sqlite';
import type { Fault } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Store } from '../../store/store.ts';
import { im } from './im-namespaces.ts';
import { Tallies } from './mailbox-tallies.ts';
import { stanzaOf, withChild } from './stanza-bytes.ts';

export interface MailboxLimits {
  /** Messages of one user that wait or are on their way to a client. */
  readonly messages: number;
  /** Their bytes in all. */
  readonly bytes: number;
  /** How long one may wait, ms. */
  readonly age: number;
  /** Bytes of one sender in all mailboxes: a small part of the store, which is there for everybody's messages. */
  readonly senderBytes: number;
}

/** What one sender may take of a mailbox, so that nobody keeps out all others. */
const SENDER = 3 / 4;
/** The same of errors that wait for a resource that is away, and may never have been there. */
const ERRORS = 1 / 2;

/** A message in the mailbox, without its bytes. `id` never comes again, also after a restart. */
export interface Mail {
  readonly id: number;
  /** Bare address of the user, folded. */
  readonly user: string;
  /** '' where the stanza has none; as in the stanza. */
  readonly type: string;
  /** Address as written in the stanza. */
  readonly to: string;
  readonly bytes: number;
  /** ms since 1970. */
  readonly received: number;
  /** Whose share of the mailbox it takes: a sender's, or {@link AWAY}; undefined for nobody's. */
  readonly share: string | undefined;
}

/** The share of errors that wait. */
const AWAY = '';

/** Enough of a stanza for its start tag: two addresses of the longest kind (RFC 7622 §3.1), an id and more. */
const TAG_BYTES = 32 * 1024;

interface Box {
  readonly mails: Map<number, Mail>;
  readonly shares: Tallies;
  bytes: number;
}

export interface MailboxOptions {
  readonly limits: MailboxLimits;
  /** Who answers for what comes from an address: a user of ours, or a whole domain of a partner, whose users are its to make up. */
  senderOf(from: string): string;
}

/**
 * Messages for local users from the moment they are accepted until a client has taken them. What is in the store is also
 * listed here, so that bounds and order are known without asking it; the stanzas themselves are read when they are sent.
 */
export class Mailbox {
  readonly #store: Store;
  readonly #options: MailboxOptions;
  readonly #boxes = new Map<string, Box>();
  readonly #mails = new Map<number, Mail>();
  readonly #senders = new Tallies();
  /** Rows that the store has not kept yet: they are nobody's to send. */
  readonly #unkept = new Set<number>();
  /** Rows that are to go, and have not. */
  readonly #leftOver = new Set<number>();
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #find: StatementSync;
  #last: number;

  constructor(store: Store, options: MailboxOptions) {
    this.#store = store;
    this.#options = options;
    this.#insert = store.prepare('INSERT INTO mailbox (id, user, received, stanza) VALUES (?, ?, ?, ?)');
    this.#remove = store.prepare('DELETE FROM mailbox WHERE id = ?');
    this.#find = store.prepare('SELECT received, stanza FROM mailbox WHERE id = ?');
    // A row that is gone may still be named by a session that is resumed, so its number is not given again.
    this.#last = Number(store.prepare("SELECT max(seq) AS seq FROM sqlite_sequence WHERE name = 'mailbox'").get()?.seq);
    const rows = store.prepare(
      `SELECT id, user, received, length(stanza) AS bytes, substr(stanza, 1, ${TAG_BYTES}) AS tag FROM mailbox ORDER BY id`,
    );
    for (const { id, user, received, bytes, tag } of rows.iterate()) {
      const { type, to, from } = stanzaOf(Buffer.from(tag as Uint8Array));
      const share = type === 'error' ? AWAY : options.senderOf(from);
      const numbers = { id: Number(id), bytes: Number(bytes), received: Number(received) };
      this.#list({ ...numbers, user: String(user), type, to, share });
    }
  }

  get size(): number {
    return this.#mails.size;
  }

  get users(): readonly string[] {
    return [...this.#boxes.keys()];
  }

  /**
   * Takes a message for a user; false where the user's mailbox, or the sender's share, is full. `away`: whether it is an
   * error for a resource that is not there. Once it is kept, `kept` is told, in order; where the store does not take it,
   * `failed` is told instead.
   */
  put(
    user: string,
    stanza: Stanza,
    away: boolean,
    kept: (mail: Mail) => void,
    failed: (reason: ReasonCode) => void,
  ): boolean {
    const { bytes, type, to, from } = stanza;
    const sender = type === 'error' ? undefined : this.#options.senderOf(from);
    const share = away ? AWAY : sender;
    const size = bytes.length;
    const mail = { id: this.#last + 1, user, type, to, bytes: size, received: this.#store.now(), share };
    if (!this.#fits(mail)) return false;
    this.#last += 1;
    this.#list(mail);
    this.#unkept.add(mail.id);
    let fault: Fault | undefined;
    this.#store.write(
      () => this.#insert.run(mail.id, user, mail.received, bytes),
      (thrown) => {
        fault = thrown;
      },
    );
    this.#store.whenKept(() => {
      this.#unkept.delete(mail.id);
      // Meanwhile the user may have been removed.
      if (!this.#mails.has(mail.id)) return;
      if (fault === undefined) {
        kept(mail);
        return;
      }
      this.#unlist(mail);
      failed(fault.code);
    });
    return true;
  }

  get(id: number): Mail | undefined {
    return this.#mails.get(id);
  }

  /** What is kept for a user, oldest first. */
  of(user: string): readonly Mail[] {
    return [...(this.#boxes.get(user)?.mails.values() ?? [])].filter((mail) => this.#isKept(mail));
  }

  has(user: string): boolean {
    return this.#boxes.has(user);
  }

  /** A message that is kept, with the time it has waited since (XEP-0203); `domain` is that of the home. */
  read(id: number, domain: string): Stanza | undefined {
    const row = this.#find.get(id);
    if (row === undefined) return undefined;
    const stamp = new Date(Number(row.received)).toISOString();
    const delay = `<delay xmlns="${im.delay}" from="${domain}" stamp="${stamp}"/>`;
    return withChild(stanzaOf(Buffer.from(row.stanza as Uint8Array)), delay);
  }

  /** A message was taken, or answered for. */
  remove(id: number): void {
    const mail = this.#mails.get(id);
    if (mail === undefined) return;
    this.#unlist(mail);
    this.#delete(id);
  }

  /** Tries again to take out of the store what it failed to let go, such as while the disk was full. */
  retry(): void {
    const again = [...this.#leftOver];
    this.#leftOver.clear();
    for (const id of again) this.#delete(id);
  }

  /** The user is no more, and its rows with it: also those that came as it was removed, lest another of that name gets them. */
  forget(user: string): void {
    for (const id of this.#boxes.get(user)?.mails.keys() ?? []) this.remove(id);
  }

  /** Messages that have waited too long by `now`, ms since 1970. */
  expired(now: number): readonly Mail[] {
    return this.all().filter(({ received }) => received + this.#options.limits.age <= now);
  }

  /** All that is kept, oldest first. */
  all(): readonly Mail[] {
    return [...this.#mails.values()].filter((mail) => this.#isKept(mail));
  }

  #fits({ user, bytes, share }: Mail): boolean {
    const { limits } = this.#options;
    const box = this.#boxes.get(user);
    if ((box?.mails.size ?? 0) >= limits.messages || (box?.bytes ?? 0) + bytes > limits.bytes) return false;
    if (share === undefined) return true;
    const part = share === AWAY ? ERRORS : SENDER;
    const here = box?.shares.of(share) ?? { messages: 0, bytes: 0 };
    if (here.messages >= Math.ceil(limits.messages * part)) return false;
    // Whoever takes nothing yet may have one message, however large.
    if (here.bytes > 0 && here.bytes + bytes > limits.bytes * part) return false;
    const everywhere = share === AWAY ? 0 : this.#senders.of(share).bytes;
    return everywhere === 0 || everywhere + bytes <= limits.senderBytes;
  }

  #isKept({ id }: Mail): boolean {
    return !this.#unkept.has(id);
  }

  #delete(id: number): void {
    this.#store.write(
      () => this.#remove.run(id),
      () => this.#leftOver.add(id),
    );
  }

  #list(mail: Mail): void {
    let box = this.#boxes.get(mail.user);
    if (box === undefined) {
      box = { mails: new Map(), shares: new Tallies(), bytes: 0 };
      this.#boxes.set(mail.user, box);
    }
    box.mails.set(mail.id, mail);
    box.bytes += mail.bytes;
    this.#mails.set(mail.id, mail);
    if (mail.share === undefined) return;
    box.shares.add(mail.share, mail.bytes);
    this.#senders.add(mail.share, mail.bytes);
  }

  #unlist({ id, user, bytes, share }: Mail): void {
    this.#mails.delete(id);
    const box = this.#boxes.get(user);
    if (box === undefined || !box.mails.delete(id)) return;
    box.bytes -= bytes;
    if (share !== undefined) {
      box.shares.remove(share, bytes);
      this.#senders.remove(share, bytes);
    }
    if (box.mails.size === 0) this.#boxes.delete(user);
  }
}
