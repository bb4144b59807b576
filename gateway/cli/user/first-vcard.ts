import type { StatementSync } from 'node:sqlite';
import { escapeXml } from '../../bridge/reply.ts';
import type { Store } from '../../store/store.ts';

/** Most characters of a name. */
const NAME = 200;
/** What no XML can carry (XML 1.0 §2.2), and what no name has. */
const PROHIBITED = /[\p{Cc}\p{Cs}\ufffe\uffff]/gu;

/** Gives a new user a vCard (XEP-0054) with a name, until a client of the user's sets another one. */
export class FirstVCard {
  readonly #insert: StatementSync;

  constructor(store: Pick<Store, 'prepare'>) {
    this.#insert = store.prepare("INSERT OR IGNORE INTO vcard (user, prefixes, content) VALUES (?, '', ?)");
  }

  /** Within a work of the store; `user` is a bare address, folded. Nothing is written for a name that is blank. */
  write(user: string, name: string): void {
    const shown = [...name.replace(PROHIBITED, '').trim()].slice(0, NAME).join('');
    if (shown !== '') this.#insert.run(user, `<vCard xmlns="vcard-temp"><FN>${escapeXml(shown)}</FN></vCard>`);
  }
}
