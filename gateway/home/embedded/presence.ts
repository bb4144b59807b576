import { parse } from 'ltx';
import { parseAddress } from '../../../policies/address.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import { readdress } from './readdress.ts';
import type { Resource, Resources } from './resources.ts';
import { type Rosters, wireContact } from './roster.ts';
import { errorOf, presence } from './stanza-bytes.ts';
import { isSeen, sees } from './subscription-states.ts';
import type { UserContext } from './user-context.ts';

/** Addresses that one resource may show itself to directly, rooms among them: each is told when it goes. */
const DIRECTED = 1_000;

/** The presence of local users: who is told of it, and whom it asks (RFC 6121 §4). */
export class Presences {
  readonly #context: UserContext;
  readonly #resources: Resources;
  readonly #rosters: Rosters;
  readonly #isLocal: (domain: string) => boolean;
  #spoken = 0;

  constructor(context: UserContext, resources: Resources, rosters: Rosters, isLocal: (domain: string) => boolean) {
    this.#context = context;
    this.#resources = resources;
    this.#rosters = rosters;
    this.#isLocal = isLocal;
  }

  /** RFC 6121 §4.2.2, §4.4.2: a resource says that it is there, or how. Whether it was not there before. */
  available(resource: Resource, stanza: Stanza): boolean {
    const initial = resource.presence === undefined;
    this.#spoken += 1;
    resource.presence = stanza;
    resource.priority = priorityOf(stanza);
    resource.spoke = this.#spoken;
    resource.remember();
    this.#broadcast(resource.user, stanza);
    for (const own of this.#resources.available(resource.user)) {
      this.#context.tell(own, readdress(stanza, { to: own.session.jid }));
      if (initial && own !== resource && own.presence !== undefined) {
        this.#context.tell(resource, readdress(own.presence, { to: resource.session.jid }));
      }
    }
    if (initial) this.#probe(resource);
    return initial;
  }

  /** RFC 6121 §4.5: a resource goes, by its own word or because its session ended. */
  unavailable(resource: Resource, stanza: Stanza): void {
    const told = new Set<string>();
    if (resource.presence !== undefined) {
      for (const own of this.#resources.available(resource.user)) {
        this.#context.tell(own, readdress(stanza, { to: own.session.jid }));
      }
      resource.presence = undefined;
      resource.priority = 0;
      this.#broadcast(resource.user, stanza, told);
    }
    // §4.6.3: those who know of it otherwise.
    for (const to of resource.directed) {
      if (!told.has(parseAddress(to)?.bare ?? '')) this.#context.route(readdress(stanza, { to }));
    }
    resource.directed.clear();
    resource.remember();
  }

  /** RFC 6121 §4.6: presence for one address alone. */
  directed(resource: Resource, stanza: Stanza): void {
    const { type, to } = stanza;
    if (type === 'unavailable') resource.directed.delete(to);
    else if (resource.directed.size < DIRECTED || resource.directed.has(to)) resource.directed.add(to);
    else {
      const full = errorOf(stanza, 'roster-full');
      if (full !== undefined) this.#context.tell(resource, full);
      return;
    }
    resource.remember();
    this.#context.route(stanza);
  }

  /** RFC 6121 §4.3.2: a contact's server asks for the presence of a user who may not exist. */
  probed(stanza: Stanza, user: string, bare: string): void {
    const prober = parseAddress(stanza.from);
    if (prober === undefined) return;
    if (prober.bare !== user && !isSeen(this.#rosters.item(user, prober.bare).state)) {
      this.#context.route(presence('unsubscribed', bare, wireContact(prober.bare)));
      return;
    }
    const shown = this.showCurrent(user, stanza.from);
    if (shown === 0) this.#context.route(presence('unavailable', bare, stanza.from));
  }

  /** Whether a presence is of one whom the user asked for it: a contact, or the user itself. */
  isWanted({ from }: Stanza, user: string): boolean {
    const contact = parseAddress(from)?.bare ?? '';
    return contact === user || sees(this.#rosters.item(user, contact).state);
  }

  /** Sends the presence of all available resources of a user, as many as are returned. */
  showCurrent(user: string, to: string): number {
    const available = this.#resources.available(user);
    for (const { presence: current } of available) if (current) this.#context.route(readdress(current, { to }));
    return available.length;
  }

  /** Takes back what a contact saw of a user. */
  hide(user: string, to: string): void {
    for (const { session } of this.#resources.available(user)) {
      this.#context.route(presence('unavailable', session.jid, to));
    }
  }

  /** After a restart: what others know of a resource may be old, and what it knows of them. */
  refresh(resource: Resource): void {
    if (resource.presence === undefined) return;
    this.#broadcast(resource.user, resource.presence);
    this.#probe(resource);
  }

  #broadcast(user: string, stanza: Stanza, told?: Set<string>): void {
    for (const { contact, state } of this.#rosters.of(user).items.values()) {
      if (!isSeen(state)) continue;
      told?.add(contact);
      this.#context.route(readdress(stanza, { to: wireContact(contact) }));
    }
  }

  /**
   * RFC 6121 §4.3.1. A partner answers to the bare address, which its contact knows; here each resource asks for itself,
   * so that the user's others are not told again.
   */
  #probe({ user, bare, session }: Resource): void {
    for (const { contact, state } of this.#rosters.of(user).items.values()) {
      if (!sees(state)) continue;
      const from = this.#isLocal(contact.slice(contact.indexOf('@') + 1)) ? session.jid : bare;
      this.#context.route(presence('probe', from, wireContact(contact)));
    }
  }
}

/** RFC 6121 §4.7.2.3: 0 where it is absent or no number in range. */
function priorityOf({ bytes }: Stanza): number {
  if (!bytes.includes('<priority')) return 0;
  const text = parse(bytes.toString()).getChildText('priority')?.trim() ?? '';
  const priority = /^[+-]?\d{1,3}$/.test(text) ? Number(text) : 0;
  return priority >= -128 && priority <= 127 ? priority : 0;
}
