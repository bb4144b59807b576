import { type Element, parse } from 'ltx';
import { parseAddress } from '../../../policies/address.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import { im } from './im-namespaces.ts';
import type { IqHandlers, IqRequest } from './iq-request.ts';
import type { Rosters } from './roster.ts';
import { queryXml } from './roster-xml.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Groups of one contact. */
const GROUPS = 100;
/** Bytes of a name or a group, as of any part of an address (RFC 6121 §2.3.3 leaves the number open). */
const NAME_BYTES = 1_023;

interface SetRequest {
  readonly contact: string;
  readonly remove: boolean;
  readonly name: string;
  readonly groups: readonly string[];
}

/** What a user's clients ask and set of its roster, RFC 6121 §2. */
export class RosterService {
  readonly handlers: IqHandlers = {
    [`get ${im.roster}`]: (request) => this.#get(request),
    [`set ${im.roster}`]: (request) => this.#set(request),
  };
  readonly #rosters: Rosters;
  readonly #subscriptions: Subscriptions;

  constructor(rosters: Rosters, subscriptions: Subscriptions) {
    this.#rosters = rosters;
    this.#subscriptions = subscriptions;
  }

  /** RFC 6121 §2.2, §2.6.2: the roster, or nothing where the client has this version. */
  #get({ stanza, user, about, resource, answer, refuse }: IqRequest): void {
    if (about !== 'self' || resource === undefined) {
      refuse('not-yours');
      return;
    }
    resource.interested = true;
    resource.remember();
    const { version, items } = this.#rosters.of(user);
    const known = parse(stanza.bytes.toString()).getChild('query')?.attrs.ver;
    if (known === String(version)) answer();
    else
      answer(
        queryXml(
          version,
          [...items.values()].filter(({ listed }) => listed),
        ),
      );
  }

  #set({ stanza, user, about, resource, answer, refuse }: IqRequest): void {
    if (about !== 'self' || resource === undefined) {
      refuse('not-yours');
      return;
    }
    const request = readSet(parse(stanza.bytes.toString()));
    if (typeof request === 'string') {
      refuse(request);
      return;
    }
    const done = (reason: ReasonCode | undefined): void => {
      if (reason === undefined) answer();
      else refuse(reason);
    };
    const { contact, remove, name, groups } = request;
    if (!remove) this.#subscriptions.rename(user, contact, name, groups, done);
    else if (this.#rosters.item(user, contact).listed) {
      this.#subscriptions.remove(user, resource.bare, contact, done);
    } else refuse('item-unknown');
  }
}

/** RFC 6121 §2.1.5 and the errors of §2.3.3. */
function readSet(tree: Element): SetRequest | ReasonCode {
  const items = tree.getChild('query')?.getChildren('item') ?? [];
  const [item] = items;
  if (item === undefined || items.length > 1) return 'stanza-malformed';
  const contact = parseAddress(item.attrs.jid ?? '');
  if (contact === undefined) return 'address-malformed';
  const { name = '', subscription } = item.attrs;
  const groups = item.getChildren('group').map((group) => group.getText());
  if (new Set(groups).size !== groups.length) return 'stanza-malformed';
  const fits = (text: string): boolean => Buffer.byteLength(text) <= NAME_BYTES;
  if (!fits(name) || groups.length > GROUPS || !groups.every((group) => group !== '' && fits(group))) {
    return 'roster-invalid';
  }
  return { contact: contact.bare, remove: subscription === 'remove', name, groups };
}
