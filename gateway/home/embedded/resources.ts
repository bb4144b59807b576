import type { Stanza } from '../../bridge/stanza.ts';
import type { Session } from './session.ts';
import { stanzaOf } from './stanza-bytes.ts';

/** One connected resource of a user, and what it said of itself. */
export class Resource {
  readonly session: Session;
  /** Bare address of the user, folded: the key of everything that is the user's. */
  readonly user: string;
  /** Whether it asked for the roster, and so gets its changes (RFC 6121 §2.2). */
  interested = false;
  /** Whether it wants copies of the user's other messages (XEP-0280 §4). */
  carbons = false;
  /** Its last available presence; undefined while it is not available. */
  presence: Stanza | undefined;
  /** RFC 6121 §4.7.2.3, -128 to 127. */
  priority = 0;
  /** Grows with each presence of anyone: of two resources alike, the one that spoke last is the more available. */
  spoke = 0;
  /** To whom it sent presence directly, as written (RFC 6121 §4.6). */
  readonly directed = new Set<string>();

  /** Bytes of what it is to be told once all before it is kept. */
  waiting = 0;

  constructor(session: Session) {
    this.session = session;
    this.user = `${session.address.local}@${session.address.domain}`;
  }

  /** Whether it may be told this too before all is kept: short requests may have long answers, and come in a heap. */
  mayWait({ bytes }: Stanza): boolean {
    return this.waiting === 0 || this.waiting + bytes.length <= WAITING;
  }

  /** The bare address as it is written. */
  get bare(): string {
    const { jid } = this.session;
    return jid.slice(0, jid.indexOf('/'));
  }

  /** Whether messages to the bare address may go here, RFC 6121 §8.5.2.1. */
  get takesMessages(): boolean {
    return this.presence !== undefined && this.priority >= 0;
  }

  /** Has the session remember this across a restart, as far as there is room: its presence rather than to whom else it went. */
  remember(): void {
    const { interested, carbons, priority } = this;
    const bytes = this.presence?.bytes;
    const presence = bytes === undefined || bytes.length > MEMORY / 2 ? '' : bytes.toString();
    const memory: Memory = { interested, carbons, priority, presence, directed: this.#fewDirected() };
    const text = JSON.stringify(memory);
    this.session.remember(text.length <= MEMORY ? text : JSON.stringify({ ...memory, directed: [] }));
  }

  /** All of {@link directed}, or none where they are too many: they may be megabytes, and this is called for each. */
  #fewDirected(): string[] {
    let length = 0;
    for (const to of this.directed) {
      length += to.length;
      if (length > MEMORY / 2) return [];
    }
    return [...this.directed];
  }

  /** Takes back what was remembered; '' for nothing. */
  recall(text: string): void {
    if (text === '') return;
    const { interested, carbons, priority, presence, directed } = JSON.parse(text) as Memory;
    this.interested = interested;
    this.carbons = carbons;
    this.priority = priority;
    this.presence = presence === '' ? undefined : stanzaOf(Buffer.from(presence));
    for (const to of directed) this.directed.add(to);
  }
}

/** Bytes that wait for one resource to be told: as many as a session holds, about. */
const WAITING = 8 * 1024 * 1024;
/** Characters that a session is asked to remember at most: it writes them again with each presence. */
const MEMORY = 8_192;

interface Memory {
  readonly interested: boolean;
  readonly carbons: boolean;
  readonly priority: number;
  readonly presence: string;
  readonly directed: readonly string[];
}

/** Everyone who is connected. */
export class Resources {
  readonly #users = new Map<string, Map<string, Resource>>();

  add(resource: Resource): void {
    const { user, session } = resource;
    let resources = this.#users.get(user);
    if (resources === undefined) {
      resources = new Map();
      this.#users.set(user, resources);
    }
    resources.set(session.address.resource, resource);
  }

  remove({ user, session }: Resource): void {
    const resources = this.#users.get(user);
    if (resources?.get(session.address.resource)?.session !== session) return;
    resources.delete(session.address.resource);
    if (resources.size === 0) this.#users.delete(user);
  }

  all(): readonly Resource[] {
    return [...this.#users.values()].flatMap((resources) => [...resources.values()]);
  }

  get(user: string, resource: string): Resource | undefined {
    return this.#users.get(user)?.get(resource);
  }

  of(user: string): readonly Resource[] {
    return [...(this.#users.get(user)?.values() ?? [])];
  }

  available(user: string): readonly Resource[] {
    return this.of(user).filter(({ presence }) => presence !== undefined);
  }

  /** Where one message to the bare address goes: to the most available resource (RFC 6121 §8.5.2.1.1). */
  mostAvailable(user: string): Resource | undefined {
    const [first, ...others] = this.of(user).filter(({ takesMessages }) => takesMessages);
    if (first === undefined) return undefined;
    return others.reduce((best, next) => (isMoreAvailable(next, best) ? next : best), first);
  }
}

function isMoreAvailable(one: Resource, other: Resource): boolean {
  return one.priority === other.priority ? one.spoke > other.spoke : one.priority > other.priority;
}
