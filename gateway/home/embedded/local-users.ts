import { type Address, parseAddress } from '../../../policies/address.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { HomeHost } from '../../bridge/ports.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Store } from '../../store/store.ts';
import { carbonHandlers } from './carbons.ts';
import { Delivery, type Settlement } from './delivery.ts';
import { discoHandlers } from './disco.ts';
import { im } from './im-namespaces.ts';
import type { IqHandlers, IqRequest } from './iq-request.ts';
import { Mailbox, type MailboxLimits } from './mailbox.ts';
import { PausedSessions } from './paused-sessions.ts';
import { pingHandlers } from './ping.ts';
import { Presences } from './presence.ts';
import { readdress } from './readdress.ts';
import { Resource, Resources } from './resources.ts';
import { Rosters } from './roster.ts';
import { RosterService } from './roster-service.ts';
import type { Session, SessionHost } from './session.ts';
import { versionHandlers } from './software-version.ts';
import { errorOf, presence, resultOf } from './stanza-bytes.ts';
import { isSubscriptionType } from './subscription-states.ts';
import { Subscriptions } from './subscriptions.ts';
import type { UserContext } from './user-context.ts';
import { VCards } from './vcard.ts';

export interface LocalUsersOptions {
  /** Domains whose users these are, folded. */
  readonly domains: readonly string[];
  /** Home domains at which nothing is served, folded. */
  readonly unserved: readonly string[];
  readonly mailbox: MailboxLimits;
  /** Contacts of one user. */
  readonly contacts: number;
  /** Bytes of one vCard. */
  readonly vcardBytes: number;
  /** What we say that we are, XEP-0092. */
  readonly version: string;
}

export interface LocalUsersParts {
  readonly host: Pick<HomeHost, 'outbound' | 'delivered' | 'undeliverable'>;
  readonly store: Store;
  /** Names are prepared. */
  readonly accounts: { exists(local: string, domain: string): boolean };
  readonly options: LocalUsersOptions;
}

/** What nobody waits for. */
const unasked: Settlement = { taken: () => undefined, refused: () => undefined };

/**
 * The users of the embedded home: takes what their clients send and what partners send them, and brings each stanza
 * where RFC 6121 says.
 */
export class LocalUsers implements SessionHost, UserContext {
  readonly #parts: LocalUsersParts;
  readonly #domains: ReadonlySet<string>;
  readonly #unserved: ReadonlySet<string>;
  readonly #bySession = new Map<string, Resource>();
  readonly #resources = new Resources();
  readonly #rosters: Rosters;
  readonly #mailbox: Mailbox;
  readonly #delivery: Delivery;
  readonly #presences: Presences;
  readonly #subscriptions: Subscriptions;
  readonly #handlers: IqHandlers;
  /** Sessions of before the restart, until the middle listens. */
  readonly #restored: Resource[] = [];
  readonly #paused = new PausedSessions();
  /** Whose stanza is being taken. */
  #speaker: Resource | undefined;

  constructor(parts: LocalUsersParts) {
    const { store, options } = parts;
    this.#parts = parts;
    this.#domains = new Set(options.domains);
    this.#unserved = new Set(options.unserved);
    this.#rosters = new Rosters(store);
    this.#mailbox = new Mailbox(store, { limits: options.mailbox, senderOf: (from) => this.#senderOf(from) });
    this.#delivery = new Delivery(this, this.#mailbox, this.#resources);
    this.#presences = new Presences(this, this.#resources, this.#rosters, (domain) => this.#domains.has(domain));
    this.#subscriptions = new Subscriptions(this, this.#resources, this.#rosters, this.#presences, options.contacts);
    this.#handlers = {
      ...new RosterService(this.#rosters, this.#subscriptions).handlers,
      ...new VCards(store, options.vcardBytes).handlers,
      ...discoHandlers(this.#rosters),
      ...pingHandlers(this),
      ...versionHandlers(options.version),
      ...carbonHandlers,
      // RFC 3921 §3: what old clients still ask for has been so since they bound a resource.
      [`set ${im.session}`]: ({ answer }) => answer(),
    };
  }

  /** Messages accepted and not yet taken by a client. */
  get queued(): number {
    return this.#mailbox.size;
  }

  opened(session: Session): void {
    this.#delivery.opened(this.#add(session));
  }

  restored(session: Session, remembered: string, mail: readonly number[]): void {
    const resource = this.#add(session);
    resource.recall(remembered);
    this.#restored.push(resource);
    this.#delivery.restored(resource, mail);
  }

  /** After a restart, once every session of before is restored and the middle listens. */
  recovered(): void {
    this.#delivery.recovered();
    for (const resource of this.#restored.splice(0)) this.#presences.refresh(resource);
  }

  stanza(session: Session, stanza: Stanza): void {
    const resource = this.#bySession.get(session.id);
    if (resource === undefined) return;
    this.#speaker = resource;
    try {
      if (stanza.name === 'message') this.#message(resource, stanza);
      else if (stanza.name === 'presence') this.#presence(resource, stanza);
      else this.#iq(resource, stanza);
    } finally {
      this.#speaker = undefined;
    }
  }

  settled(mail: number): void {
    this.#delivery.settled(mail);
  }

  closed(session: Session): void {
    const resource = this.#bySession.get(session.id);
    if (resource === undefined) return;
    this.#bySession.delete(session.id);
    this.#resources.remove(resource);
    this.#paused.forget(resource);
    this.#presences.unavailable(resource, presence('unavailable', session.jid, ''));
    this.#delivery.closed(resource);
  }

  whenKept(then: () => void): void {
    this.#parts.store.whenKept(then);
  }

  /** A stanza of a partner's, for a home domain. */
  inbound(stanza: Stanza): void {
    const { host } = this.#parts;
    const to = parseAddress(stanza.to);
    const settlement: Settlement = {
      taken: () => host.delivered(stanza),
      refused: (reason) => host.undeliverable(stanza, reason),
    };
    if (to === undefined) settlement.refused('address-malformed');
    else if (!this.#domains.has(to.domain)) settlement.refused('domain-unserved');
    else this.#receive(stanza, to, settlement);
  }

  /** Stanzas for this partner may be read again. */
  room(partner: string): void {
    this.#paused.room(partner);
  }

  /** What is due by `now` (ms since 1970): messages that waited too long, and what was kept of users who are no more. */
  lookAfter(now: number): void {
    this.#delivery.expire(now);
    for (const user of [...this.#rosters.loaded, ...this.#mailbox.users]) {
      const address = parseAddress(user);
      if (address !== undefined && this.#exists(address)) continue;
      this.#rosters.forget(user);
      this.#mailbox.forget(user);
    }
  }

  route(stanza: Stanza): void {
    this.#route(stanza, undefined);
  }

  tell(resource: Resource, stanza: Stanza): void {
    if (!resource.mayWait(stanza)) resource.session.close('resource-constraint');
    else this.#whenKeptFor(resource, stanza, () => resource.session.send(stanza));
  }

  offer(resource: Resource, stanza: Stanza, refused: () => void = () => undefined): void {
    const { session } = resource;
    if (!resource.mayWait(stanza)) refused();
    else {
      this.#whenKeptFor(resource, stanza, () => {
        if (session.crowded) refused();
        else session.send(stanza);
      });
    }
  }

  #whenKeptFor(resource: Resource, { bytes }: Stanza, then: () => void): void {
    resource.waiting += bytes.length;
    this.whenKept(() => {
      resource.waiting -= bytes.length;
      then();
    });
  }

  #add(session: Session): Resource {
    const resource = new Resource(session);
    this.#bySession.set(session.id, resource);
    this.#resources.add(resource);
    return resource;
  }

  #message(resource: Resource, stanza: Stanza): void {
    // RFC 6121 §8.1.1.1: without an address it is for the user itself.
    const addressed = stanza.to === '' ? readdress(stanza, { to: resource.bare }) : stanza;
    const to = parseAddress(addressed.to);
    if (to !== undefined) this.#delivery.copySent(addressed, to, resource);
    this.#route(addressed, resource);
  }

  #presence(resource: Resource, stanza: Stanza): void {
    const { type, to } = stanza;
    const address = to === '' ? undefined : parseAddress(to);
    if (to !== '' && address === undefined) this.#answer(resource, stanza, 'address-malformed');
    else if (isSubscriptionType(type)) {
      if (address !== undefined) this.#subscriptions.outbound(resource, stanza, type, address);
    } else if (address !== undefined) {
      if (type === '' || type === 'unavailable') this.#presences.directed(resource, stanza);
      else if (type === 'error') this.route(stanza);
    } else if (type === 'unavailable') this.#presences.unavailable(resource, stanza);
    else if (type === '') {
      const initial = this.#presences.available(resource, stanza);
      if (initial) this.#subscriptions.showRequests(resource);
      if (resource.takesMessages) this.#delivery.available(resource);
    }
  }

  #iq(resource: Resource, stanza: Stanza): void {
    if (isRequest(stanza) && (stanza.id === '' || stanza.children !== 1)) {
      this.#answer(resource, stanza, 'stanza-malformed');
      return;
    }
    if (stanza.to !== '') this.#route(stanza, resource);
    else if (isRequest(stanza)) this.#serve(stanza, 'self', resource.user, resource);
  }

  /** To where a stanza leads; `sender` is the resource that wrote it, undefined where we did. */
  #route(stanza: Stanza, sender: Resource | undefined): void {
    const to = parseAddress(stanza.to);
    const refused = (reason: ReasonCode): void => {
      const error = errorOf(stanza, reason);
      if (error !== undefined) this.#route(error, undefined);
    };
    if (to === undefined) refused('address-malformed');
    else if (this.#domains.has(to.domain)) this.#receive(stanza, to, { ...unasked, refused }, sender);
    else if (this.#unserved.has(to.domain)) refused('domain-unserved');
    else if (!this.#parts.host.outbound(to.domain, stanza) && this.#speaker)
      this.#paused.pause(to.domain, this.#speaker);
  }

  /** A stanza for a domain of ours, RFC 6121 §8.5. */
  #receive(stanza: Stanza, to: Address, settlement: Settlement, sender?: Resource): void {
    switch (stanza.name) {
      case 'message':
        if (to.local === '') refuseUnlessMoot(stanza, settlement, 'service-unknown');
        else if (!this.#exists(to)) refuseUnlessMoot(stanza, settlement, 'user-unknown');
        else this.#delivery.take(stanza, to, settlement, sender);
        break;
      case 'presence':
        this.#receivePresence(stanza, to, settlement);
        break;
      case 'iq':
        this.#receiveIq(stanza, to, sender);
        settlement.taken();
    }
  }

  #receivePresence(stanza: Stanza, to: Address, settlement: Settlement): void {
    const { type } = stanza;
    const bare = bareOf(stanza.to);
    if (to.local === '' || !this.#exists(to)) {
      // RFC 6121 §3.1.3, §4.3.2: as for a user who declines; anything else is not answered (§8.5.1).
      const asks = type === 'subscribe' || type === 'probe';
      if (asks && to.local !== '') this.route(presence('unsubscribed', bare, bareOf(stanza.from)));
      settlement.taken();
      return;
    }
    if (isSubscriptionType(type)) {
      this.#subscriptions.inbound(stanza, type, to.bare, bare, settlement);
      return;
    }
    settlement.taken();
    if (type === 'probe') this.#presences.probed(stanza, to.bare, bare);
    else {
      const named = this.#resources.get(to.bare, to.resource);
      const resources = to.resource === '' ? this.#resources.available(to.bare) : named === undefined ? [] : [named];
      const wanted = this.#presences.isWanted(stanza, to.bare);
      for (const resource of resources) {
        if (wanted) this.tell(resource, stanza);
        else this.offer(resource, stanza);
      }
    }
  }

  #receiveIq(stanza: Stanza, to: Address, sender: Resource | undefined): void {
    const named = to.resource === '' ? undefined : this.#resources.get(to.bare, to.resource);
    if (named !== undefined) {
      // What we answer for the user or the server was asked for.
      if (sender === undefined && this.#isOurs(stanza.from, to)) this.tell(named, stanza);
      else this.offer(named, stanza, () => isRequest(stanza) && this.#refuse(stanza, 'user-absent'));
    }
    if (named !== undefined || !isRequest(stanza)) return;
    if (to.resource !== '') this.#refuse(stanza, 'user-absent');
    else if (to.local === '') this.#serve(stanza, 'server', '', sender);
    else if (this.#exists(to)) this.#serve(stanza, to.bare === sender?.user ? 'self' : 'other', to.bare, sender);
    else this.#refuse(stanza, 'user-unknown');
  }

  #serve(stanza: Stanza, about: IqRequest['about'], user: string, resource: Resource | undefined): void {
    const handler = this.#handlers[`${stanza.type} ${stanza.childNamespace}`];
    const refuse = (reason: ReasonCode): void => this.#refuse(stanza, reason);
    const answer = (content?: string, prefixes?: string): void => {
      this.#route(resultOf(stanza, content, prefixes), undefined);
    };
    const asker = parseAddress(stanza.from)?.bare ?? '';
    if (handler !== undefined) handler({ stanza, about, user, asker, resource, answer, refuse });
    else refuse(about === 'other' ? 'user-absent' : 'service-unknown');
  }

  #refuse(stanza: Stanza, reason: ReasonCode): void {
    const error = errorOf(stanza, reason);
    if (error !== undefined) this.#route(error, undefined);
  }

  /** An error to the very resource, for what cannot be routed. */
  #answer(resource: Resource, stanza: Stanza, reason: ReasonCode): void {
    const error = errorOf(stanza, reason);
    if (error !== undefined) this.tell(resource, error);
  }

  /** Whether an address is the user's own or that of its server; '' is the user's. */
  #isOurs(from: string, user: Address): boolean {
    const address = parseAddress(from);
    return address === undefined || address.bare === user.bare || this.#domains.has(address.bare);
  }

  /** Who answers for what comes from an address: a user of ours, or a partner's domain. */
  #senderOf(from: string): string {
    const address = parseAddress(from);
    if (address === undefined) return 'nobody';
    return this.#domains.has(address.domain) ? address.bare : address.domain;
  }

  #exists({ local, domain }: Address): boolean {
    return local !== '' && this.#domains.has(domain) && this.#parts.accounts.exists(local, domain);
  }
}

function refuseUnlessMoot({ type }: Stanza, settlement: Settlement, reason: ReasonCode): void {
  if (type === 'error') settlement.taken();
  else settlement.refused(reason);
}

function isRequest({ type }: Stanza): boolean {
  return type === 'get' || type === 'set';
}

/** An address without its resource, as it is written. */
function bareOf(address: string): string {
  const slash = address.indexOf('/');
  return slash < 0 ? address : address.slice(0, slash);
}
