import { type Address, parseAddress, wireBare } from '../../../policies/address.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Settlement } from './delivery.ts';
import type { Presences } from './presence.ts';
import { readdress } from './readdress.ts';
import type { Resource, Resources } from './resources.ts';
import { isOwn, itemBytes, type RosterItem, type Rosters, wireContact } from './roster.ts';
import { rosterPush } from './roster-xml.ts';
import { errorOf, presence, stanzaOf } from './stanza-bytes.ts';
import {
  inbound,
  isAsked,
  isSeen,
  outbound,
  type SubscriptionState,
  type SubscriptionType,
  sees,
  shownState,
} from './subscription-states.ts';
import type { UserContext } from './user-context.ts';

/** What is told and kept of a request, bytes: a line of greeting, and no more is read at login than that. */
const REQUEST_BYTES = 8_192;
/** Requests that wait for one user. All are shown at each sign-in, and must be far less than a session holds. */
const REQUESTS = 256;
/** Bytes of a contact, its names and groups, on average; below the least they are not counted out. */
const CONTACT_BYTES = 512;
const LEAST_BYTES = 64 * 1024;

/** The subscriptions between local users and their contacts, RFC 6121 §3, by the tables of its Appendix A. */
export class Subscriptions {
  readonly #context: UserContext;
  readonly #resources: Resources;
  readonly #rosters: Rosters;
  readonly #presences: Presences;
  readonly #most: number;

  /** `most`: contacts of one user. Requests that wait are not among them: anybody may ask. */
  constructor(context: UserContext, resources: Resources, rosters: Rosters, presences: Presences, most: number) {
    this.#context = context;
    this.#resources = resources;
    this.#rosters = rosters;
    this.#presences = presences;
    this.#most = most;
  }

  /** A user's stanza about a contact; `stanza.type` is `type`. */
  outbound(resource: Resource, stanza: Stanza, type: SubscriptionType, contact: Address): void {
    const { user, bare } = resource;
    if (contact.bare === user) return;
    const item = this.#rosters.item(user, contact.bare);
    const { passes, next } = outbound[type][item.state];
    const approves = type === 'subscribed' && !passes && !isSeen(item.state);
    const changed: RosterItem = {
      ...item,
      state: next,
      listed: item.listed || type === 'subscribe' || isSeen(next) || approves,
      approved: approves || (item.approved && type !== 'unsubscribed'),
      request: isAsked(next) ? item.request : undefined,
    };
    if (this.#isFull(user, item, changed)) {
      this.#refuse(resource, stanza, 'roster-full');
      return;
    }
    const to = wireBare(contact);
    // §3.2.2: while the contact still may see it.
    if (isSeen(item.state) && !isSeen(next)) this.#presences.hide(user, to);
    this.#put(user, item, changed, (reason) => this.#refuse(resource, stanza, reason));
    // §3.1.2: between bare addresses.
    if (passes) this.#context.route(readdress(stanza, { from: bare, to }));
    if (!isSeen(item.state) && isSeen(next)) this.#presences.showCurrent(user, to);
  }

  /** A contact's stanza about a user who exists; `bare` is the user's address as written. */
  inbound(stanza: Stanza, type: SubscriptionType, user: string, bare: string, settlement: Settlement): void {
    const contact = parseAddress(stanza.from);
    const item = this.#rosters.item(user, contact?.bare ?? '');
    const { passes, next } = inbound[type][item.state];
    const known = type === 'subscribe' && (isSeen(item.state) || item.approved);
    if (contact === undefined || contact.bare === user || (!passes && !known)) {
      settlement.taken();
      return;
    }
    if (known) {
      this.#approve(user, bare, item);
      settlement.taken();
      return;
    }
    const request = type === 'subscribe' ? brief(stanza).bytes : item.request;
    const changed: RosterItem = { ...item, state: next, request: isAsked(next) ? request : undefined };
    if (this.#isFull(user, item, changed)) {
      settlement.refused('roster-full');
      return;
    }
    this.#put(user, item, changed, (reason) => settlement.refused(reason));
    settlement.taken();
    // §3.1.3 and §3.1.6: requests to who is available, the rest to who follows the roster.
    for (const resource of this.#resources.of(user)) {
      const follows = resource.presence !== undefined || (type !== 'subscribe' && resource.interested);
      if (follows) this.#context.offer(resource, brief(stanza));
    }
    if (isSeen(item.state) && !isSeen(next)) this.#presences.hide(user, wireBare(contact));
  }

  /** RFC 6121 §3.1.3: requests that wait are shown to each resource that becomes available, until one is answered. */
  showRequests(resource: Resource): void {
    for (const { request } of this.#rosters.of(resource.user).items.values()) {
      if (request !== undefined) this.#context.tell(resource, stanzaOf(request));
    }
  }

  /** RFC 6121 §2.5.2: a contact is removed, and with it every subscription; `then` is told whether that is kept. */
  remove(user: string, bare: string, contact: string, then: (reason: ReasonCode | undefined) => void): void {
    const item = this.#rosters.item(user, contact);
    const to = wireContact(contact);
    const gone: RosterItem = { ...item, state: 'none', listed: false, approved: false, request: undefined };
    if (isSeen(item.state)) this.#presences.hide(user, to);
    this.#put(user, item, gone, then, () => then(undefined));
    if (sees(item.state) || shownState(item.state).ask) this.#context.route(presence('unsubscribe', bare, to));
    if (isSeen(item.state) || isAsked(item.state)) this.#context.route(presence('unsubscribed', bare, to));
  }

  /** Sets what the user calls a contact, RFC 6121 §2.3, §2.4; `then` is told whether that is kept. */
  rename(
    user: string,
    contact: string,
    name: string,
    groups: readonly string[],
    then: (reason: ReasonCode | undefined) => void,
  ): void {
    const item = this.#rosters.item(user, contact);
    const changed: RosterItem = { ...item, listed: true, name, groups };
    if (this.#isFull(user, item, changed)) then('roster-full');
    else this.#put(user, item, changed, then, () => then(undefined));
  }

  /** RFC 6121 §3.1.3 and §3.4: the answer is known without asking. */
  #approve(user: string, bare: string, item: RosterItem): void {
    const to = wireContact(item.contact);
    if (!isSeen(item.state)) {
      const asked: SubscriptionState = inbound.subscribe[item.state].next;
      const state = outbound.subscribed[asked].next;
      this.#put(user, item, { ...item, state, listed: true, request: undefined }, () => undefined);
    }
    this.#context.route(presence('subscribed', bare, to));
    this.#presences.showCurrent(user, to);
  }

  #put(
    user: string,
    before: RosterItem,
    item: RosterItem,
    failed: (reason: ReasonCode) => void,
    kept: () => void = () => undefined,
  ): void {
    if (isSame(before, item)) {
      kept();
      return;
    }
    const { version } = this.#rosters.put(user, item, (fault) => {
      if (fault !== undefined) {
        failed(fault.code);
        return;
      }
      kept();
      if (before.listed || item.listed) this.#push(user, version, item);
    });
  }

  #push(user: string, version: number, item: RosterItem): void {
    for (const resource of this.#resources.of(user)) {
      if (resource.interested) this.#context.tell(resource, rosterPush(resource.session.jid, version, item));
    }
  }

  /** Whether a roster has no room for an item in place of the one of the same contact. */
  #isFull(user: string, before: RosterItem, item: RosterItem): boolean {
    const { items, own, bytes } = this.#rosters.of(user);
    const grows = itemBytes(item) - (items.has(item.contact) ? itemBytes(before) : 0);
    if (grows > 0 && bytes + grows > Math.max(LEAST_BYTES, this.#most * CONTACT_BYTES)) return true;
    if (isOwn(item)) return !isOwn(before) && own >= this.#most;
    return !items.has(item.contact) && items.size - own >= Math.min(this.#most, REQUESTS);
  }

  /** The user's own client is told whatever it was that its roster had no room for. */
  #refuse(resource: Resource, stanza: Stanza, reason: ReasonCode): void {
    const error = errorOf({ ...stanza, type: '' }, reason);
    if (error !== undefined) this.#context.tell(resource, error);
  }
}

function isSame(one: RosterItem, other: RosterItem): boolean {
  return (
    one.state === other.state &&
    one.listed === other.listed &&
    one.approved === other.approved &&
    one.name === other.name &&
    JSON.stringify(one.groups) === JSON.stringify(other.groups) &&
    one.request === other.request
  );
}

/** A subscription stanza, without what it says besides where that is too much. */
function brief(stanza: Stanza): Stanza {
  return stanza.bytes.length <= REQUEST_BYTES ? stanza : presence(stanza.type, stanza.from, stanza.to);
}
