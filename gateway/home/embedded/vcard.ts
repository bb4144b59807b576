import type { StatementSync } from 'node:sqlite';
import type { Fault } from '../../../policies/fault.ts';
import type { Store } from '../../store/store.ts';
import { im } from './im-namespaces.ts';
import type { IqHandlers, IqRequest } from './iq-request.ts';
import { contentOf } from './stanza-bytes.ts';

const EMPTY = `<vCard xmlns="${im.vcard}"/>`;

/** vCards of local users, avatars among them (XEP-0054, XEP-0153): kept and given back as they came. */
export class VCards {
  readonly handlers: IqHandlers = {
    [`get ${im.vcard}`]: (request) => this.#get(request),
    [`set ${im.vcard}`]: (request) => this.#set(request),
  };
  readonly #store: Store;
  readonly #most: number;
  readonly #find: StatementSync;
  readonly #replace: StatementSync;

  /** `most`: bytes of one vCard. */
  constructor(store: Store, most: number) {
    this.#store = store;
    this.#most = most;
    this.#find = store.prepare('SELECT prefixes, content FROM vcard WHERE user = ?');
    this.#replace = store.prepare('INSERT OR REPLACE INTO vcard (user, prefixes, content) VALUES (?, ?, ?)');
  }

  #get({ user, about, answer, refuse }: IqRequest): void {
    // Behind what was set before.
    this.#store.whenKept(() => {
      const row = this.#find.get(user);
      if (row !== undefined) answer(String(row.content), String(row.prefixes));
      else if (about === 'self') answer(EMPTY);
      // The same as for a user who does not exist (XEP-0054 §3.1).
      else refuse('user-absent');
    });
  }

  #set({ stanza, user, about, answer, refuse }: IqRequest): void {
    if (about !== 'self') {
      refuse('not-yours');
      return;
    }
    const { prefixes, xml } = contentOf(stanza);
    if (Buffer.byteLength(xml) > this.#most) {
      refuse('vcard-too-big');
      return;
    }
    let failed: Fault | undefined;
    this.#store.write(
      () => this.#replace.run(user, prefixes, xml),
      (fault) => {
        failed = fault;
      },
    );
    this.#store.whenKept(() => {
      if (failed === undefined) answer();
      else refuse(failed.code);
    });
  }
}
