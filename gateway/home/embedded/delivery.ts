import { type Address, parseAddress } from '../../../policies/address.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import { carbonOf } from './carbons.ts';
import type { Mail, Mailbox } from './mailbox.ts';
import { type MessageTraits, traitsOf } from './message-content.ts';
import type { Resource, Resources } from './resources.ts';
import { messageType, routeMessage } from './routing.ts';
import { errorOf } from './stanza-bytes.ts';
import type { UserContext } from './user-context.ts';

/** What becomes of a stanza that was handed in. */
export interface Settlement {
  /** It is the home's now; told in the turn in which it is stored. */
  taken(): void;
  /** It will not be delivered; behind `taken` only where the store then fails to keep it. */
  refused(reason: ReasonCode): void;
}

/**
 * Messages sent on one session and not confirmed, and their bytes (one may go beyond): enough for any round trip, and
 * well below what a session may hold before it ends.
 */
const UNDER_WAY = 200;
const UNDER_WAY_BYTES = 4 * 1024 * 1024;
/** How long an error waits for the resource it is for to come back, ms: as long as its client might still care. */
const ERROR_AGE_MS = 60 * 60_000;

interface Line {
  /** Messages sent and not confirmed, with their bytes. */
  readonly sent: Map<number, number>;
  bytes: number;
  /** What is to be sent next, in order. */
  readonly waiting: number[];
  pumping: boolean;
}

/**
 * Brings messages to local users: into the mailbox first, and from there to the resources. A message is on its way to
 * one resource at a time; that one takes it, or it goes on to the next, or it waits.
 */
export class Delivery {
  readonly #context: UserContext;
  readonly #mailbox: Mailbox;
  readonly #resources: Resources;
  /** By resource: what is on its way there. */
  readonly #lines = new Map<Resource, Line>();
  /** By message: where it is on its way to. */
  readonly #holders = new Map<number, Resource>();
  /** Messages that other resources have a copy of already. */
  readonly #copies = new Map<number, ReadonlySet<Resource>>();

  constructor(context: UserContext, mailbox: Mailbox, resources: Resources) {
    this.#context = context;
    this.#mailbox = mailbox;
    this.#resources = resources;
  }

  /** A message for a user who exists. `sender` is the resource that sent it, where it is a local one. */
  take(stanza: Stanza, to: Address, settlement: Settlement, sender?: Resource): void {
    const type = messageType(stanza.type);
    const traits = traitsOf(stanza);
    const named = to.resource !== '';
    const connected = this.#resources.get(to.bare, to.resource) !== undefined;
    const taking = this.#resources.mostAvailable(to.bare) !== undefined;
    const route = routeMessage(type, { named, connected, taking });
    if (route === 'refuse') {
      settlement.refused('user-absent');
      return;
    }
    const lasting = type === 'groupchat' || type === 'error' || traits.storable;
    // An error for a resource that is away waits for it to come back: it is the last word on what that one sent.
    const moot = route === 'ignore' && (type !== 'error' || !named);
    if (moot || !lasting) {
      settlement.taken();
      // Behind that, lest a crash in between has it handed over, and sent, once more.
      if (!moot && route !== 'wait') this.#context.whenKept(() => this.#pass(stanza, to, traits, sender));
      return;
    }
    const put = this.#mailbox.put(
      to.bare,
      stanza,
      type === 'error' && !connected,
      (mail) => this.#distribute(mail, stanza, to, traits, sender),
      (reason) => settlement.refused(reason),
    );
    if (put) settlement.taken();
    else settlement.refused('mailbox-full');
  }

  /** Copies of what a resource sends go to the user's others, XEP-0280 §7. */
  copySent(stanza: Stanza, to: Address, sender: Resource): void {
    // What one sends to oneself comes back as received.
    if (to.bare === sender.user || !traitsOf(stanza).copied) return;
    this.#copy('sent', stanza, sender.user, [sender]);
  }

  /** A resource is there: errors that came while it was away go to it. */
  opened(resource: Resource): void {
    this.#lines.set(resource, newLine());
    for (const mail of this.#mailbox.of(resource.user)) {
      if (mail.type === 'error' && this.#free(mail) && this.#names(mail, resource)) this.#assign(resource, mail.id);
    }
  }

  /** A session of before the restart: what was on its way is sent again. */
  restored(resource: Resource, mails: readonly number[]): void {
    this.#lines.set(resource, newLine());
    for (const id of mails) if (this.#mailbox.get(id)?.user === resource.user) this.#assign(resource, id);
  }

  /** A resource takes messages now: what has waited goes to it (XEP-0160 §3). */
  available(resource: Resource): void {
    if (!this.#mailbox.has(resource.user)) return;
    for (const mail of this.#mailbox.of(resource.user)) {
      if (mail.type !== 'error' && this.#free(mail)) this.#assign(resource, mail.id);
    }
  }

  settled(id: number): void {
    const resource = this.#holders.get(id);
    this.#drop(id);
    if (resource === undefined) return;
    const line = this.#lines.get(resource);
    if (line === undefined) return;
    line.bytes -= line.sent.get(id) ?? 0;
    line.sent.delete(id);
    this.#pump(resource, line);
  }

  /** The resource is gone: what it did not take finds its way anew. */
  closed(resource: Resource): void {
    const line = this.#lines.get(resource);
    this.#lines.delete(resource);
    const left = [...(line?.sent.keys() ?? []), ...(line?.waiting ?? [])].sort((one, other) => one - other);
    // A session may end amid the sending.
    line?.sent.clear();
    line?.waiting.splice(0);
    for (const id of left) this.#holders.delete(id);
    for (const id of left) this.#redirect(id);
  }

  /** After a restart, once all sessions of before are restored: rows that none of them holds. */
  recovered(): void {
    for (const mail of this.#mailbox.all()) if (this.#free(mail)) this.#redirect(mail.id);
  }

  /** What waited too long goes back to its senders. `now`: ms since 1970. */
  expire(now: number): void {
    for (const mail of this.#mailbox.expired(now)) if (this.#free(mail)) this.#bounce(mail, 'mailbox-expired');
    for (const mail of this.#mailbox.all()) {
      if (mail.type === 'error' && mail.received + ERROR_AGE_MS <= now && this.#free(mail)) this.#drop(mail.id);
    }
    this.#mailbox.retry();
  }

  /** A message that is kept. What has become of its recipient since it was taken, counts. */
  #distribute(mail: Mail, stanza: Stanza, to: Address, traits: MessageTraits, sender: Resource | undefined): void {
    const named = this.#resources.get(to.bare, to.resource);
    const resource = named ?? this.#resources.mostAvailable(to.bare);
    if (resource === undefined || (named === undefined && !isPersonal(mail))) {
      this.#redirect(mail.id);
      return;
    }
    if (traits.copied) {
      const without = sender === undefined ? [resource] : [resource, sender];
      const copies = this.#copy('received', stanza, to.bare, without);
      if (copies.length > 0) this.#copies.set(mail.id, new Set(copies));
    }
    this.#assign(resource, mail.id, stanza);
  }

  /** A message that nobody would miss is not kept. */
  #pass(stanza: Stanza, to: Address, traits: MessageTraits, sender: Resource | undefined): void {
    const named = this.#resources.get(to.bare, to.resource);
    const best = named ?? this.#resources.mostAvailable(to.bare);
    const everyone = stanza.type === 'headline' && to.resource === '';
    const resources = everyone ? this.#resources.of(to.bare).filter(({ takesMessages }) => takesMessages) : [best];
    for (const resource of resources) if (resource?.session.crowded === false) resource.session.send(stanza);
    if (traits.copied && best !== undefined) {
      this.#copy('received', stanza, to.bare, sender === undefined ? [best] : [best, sender]);
    }
  }

  #copy(direction: 'sent' | 'received', stanza: Stanza, user: string, without: readonly Resource[]): Resource[] {
    const others = this.#resources
      .of(user)
      .filter((resource) => resource.carbons && !resource.session.crowded && !without.includes(resource));
    for (const { session, bare } of others) {
      const copy = carbonOf(direction, stanza, bare, session.jid);
      if (direction === 'received') session.send(copy);
      else this.#context.whenKept(() => session.send(copy));
    }
    return others;
  }

  /** A message without a resource: to another one, or it waits, or it goes back, by its type. */
  #redirect(id: number): void {
    const mail = this.#mailbox.get(id);
    if (mail === undefined) return;
    if (!isPersonal(mail)) {
      if (mail.type === 'groupchat') this.#bounce(mail, 'delivery-doubtful');
      else if (mail.type !== 'error') this.#drop(id);
      return;
    }
    const copies = this.#copies.get(id);
    const resources = this.#resources.of(mail.user);
    // The user has it already, on another device.
    if (copies !== undefined && resources.some((resource) => copies.has(resource))) {
      this.#drop(id);
      return;
    }
    const resource = this.#resources.mostAvailable(mail.user);
    if (resource !== undefined) this.#assign(resource, id);
  }

  #assign(resource: Resource, id: number, fresh?: Stanza): void {
    const line = this.#lines.get(resource);
    if (line === undefined) return;
    this.#holders.set(id, resource);
    if (line.waiting.length > 0 || isFull(line)) line.waiting.push(id);
    else this.#send(resource, line, id, fresh);
  }

  #pump(resource: Resource, line: Line): void {
    // What is settled as soon as it is sent comes back here.
    if (line.pumping) return;
    line.pumping = true;
    while (line.waiting.length > 0 && !isFull(line)) this.#send(resource, line, line.waiting.shift() ?? 0);
    line.pumping = false;
  }

  #send(resource: Resource, line: Line, id: number, fresh?: Stanza): void {
    const stanza = fresh ?? this.#mailbox.read(id, resource.session.address.domain);
    if (stanza === undefined) {
      this.#drop(id);
      return;
    }
    line.sent.set(id, stanza.bytes.length);
    line.bytes += stanza.bytes.length;
    resource.session.send(stanza, id);
  }

  #bounce(mail: Mail, reason: ReasonCode): void {
    const stanza = this.#mailbox.read(mail.id, '');
    this.#drop(mail.id);
    const reply = stanza && errorOf(stanza, reason);
    if (reply !== undefined) this.#context.route(reply);
  }

  #drop(id: number): void {
    this.#holders.delete(id);
    this.#copies.delete(id);
    this.#mailbox.remove(id);
  }

  #free({ id }: Mail): boolean {
    return !this.#holders.has(id);
  }

  #names({ to }: Mail, { session }: Resource): boolean {
    return parseAddress(to)?.resource === session.address.resource;
  }
}

function newLine(): Line {
  return { sent: new Map(), bytes: 0, waiting: [], pumping: false };
}

function isFull({ sent, bytes }: Line): boolean {
  return sent.size >= UNDER_WAY || bytes >= UNDER_WAY_BYTES;
}

/** What is for the user, and not for one resource alone. */
function isPersonal({ type }: Mail): boolean {
  const kind = messageType(type);
  return kind === 'chat' || kind === 'normal';
}
