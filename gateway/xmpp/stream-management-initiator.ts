import { parse } from 'ltx';
import type { Keeper } from '../bridge/ports.ts';
import type { Inbox } from './inbox.ts';
import { ns } from './namespaces.ts';
import type { Left } from './receipts.ts';
import { readCount } from './stanza-count.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamManagement } from './stream-management.ts';
import { handledTooMany, RESUMPTION_MS, type Suspension } from './suspension.ts';
import { escapeAttribute } from './xml.ts';
import type { XmlStream } from './xml-stream.ts';

/** What the peer has granted: that another stream may take up this one. */
export interface Resumable {
  readonly id: string;
  /** How long after a break, ms. */
  readonly maxMs: number;
  /** Where the peer would like to be reached for it, `host:port`; '' where it said nothing. */
  readonly location: string;
  /** How often the session was resumed in a row without a stanza of ours getting through. */
  readonly barren: number;
}

/** A session whose stream broke, for another stream to resume. */
export interface SuspendedSession extends Resumable {
  readonly suspension: Suspension;
}

/** What a new stream is to do about a session. */
export interface Resumption extends SuspendedSession {
  /** Told what the peer has not taken, as soon as it says so. */
  settled(left: Left, resumed: boolean): void;
}

interface InitiatorOptions {
  readonly host: Pick<Keeper, 'delivered' | 'whenKept'>;
  readonly room: () => void;
  /** Whether to ask for a session that may be resumed. */
  readonly resumable: boolean;
}

/** XEP-0198 on a stream that we opened: asks to enable it, or to resume the session of a stream that broke. */
export class ManagementInitiator {
  management: StreamManagement | undefined;
  #granted: Resumable | undefined;
  readonly #xml: XmlStream;
  readonly #inbox: Inbox;
  readonly #options: InitiatorOptions;
  #asked: 'nothing' | 'enable' | Resumption = 'nothing';
  /** The peer's count when the stream began. */
  #from = 0;

  constructor(xml: XmlStream, inbox: Inbox, options: InitiatorOptions) {
    this.#xml = xml;
    this.#inbox = inbox;
    this.#options = options;
  }

  /** Resumes `former`, or else enables a new session. Resolves when the peer has answered; rejects with a `Fault`. */
  async begin(former: Resumption | undefined): Promise<void> {
    if (former !== undefined && !former.suspension.over) {
      const { id, suspension } = former;
      await new Promise<void>((kept) => this.#options.host.whenKept(kept));
      this.#asked = former;
      this.#xml.send(`<resume xmlns='${ns.sm}' previd='${escapeAttribute(id)}' h='${suspension.handled}'/>`);
      await this.#inbox.element(ns.sm);
      if (this.management !== undefined) return;
    }
    this.#asked = 'enable';
    this.#xml.send(`<enable xmlns='${ns.sm}'${this.#options.resumable ? " resume='true'" : ''}/>`);
    await this.#inbox.element(ns.sm);
  }

  /** Takes one element of the namespace: what the peer counts begins right behind its answer. Throws a `StreamFault`. */
  element(element: ScannedElement): void {
    if (this.management !== undefined) {
      this.management.element(element);
      return;
    }
    const asked = this.#asked;
    if (asked === 'enable') this.#enabled(element);
    else if (asked !== 'nothing') this.#resumed(element, asked);
    this.#inbox.put(element);
  }

  /** What a broken stream leaves behind; undefined where the peer lets no other take it up. */
  suspend(): SuspendedSession | undefined {
    const { management } = this;
    const suspension = this.#granted && management?.suspend();
    if (this.#granted === undefined || suspension === undefined) return undefined;
    const through = suspension.confirmed !== this.#from || suspension.pending === 0;
    return { ...this.#granted, barren: through ? 0 : this.#granted.barren, suspension };
  }

  #enabled({ name, bytes }: ScannedElement): void {
    if (name !== 'enabled') return;
    const { id = '', resume, max, location = '' } = parse(bytes.toString()).attrs as Record<string, string | undefined>;
    const seconds = max !== undefined && /^\d{1,9}$/.test(max) ? Number(max) : Number.POSITIVE_INFINITY;
    this.#manage({ sent: 0, handled: 0 });
    if (id === '' || (resume !== 'true' && resume !== '1') || !this.#options.resumable) return;
    this.#granted = { id, maxMs: Math.min(seconds * 1000, RESUMPTION_MS), location, barren: 0 };
  }

  #resumed({ name, bytes }: ScannedElement, former: Resumption): void {
    const { id, maxMs, location, suspension } = former;
    const h = readCount(bytes);
    if (name !== 'resumed') {
      former.settled(suspension.failed(h), false);
      return;
    }
    if (h === undefined) throw handledTooMany(h, suspension.confirmed);
    const barren = h === suspension.confirmed && suspension.pending > 0 ? former.barren + 1 : 0;
    const left = suspension.resumed(h);
    this.#manage({ sent: h, handled: suspension.handled });
    this.#granted = { id, maxMs, location, barren };
    former.settled(left, true);
  }

  #manage(from: { sent: number; handled: number }): void {
    const { host, room } = this.#options;
    this.#from = from.sent;
    this.management = new StreamManagement(this.#xml, { host, room, from });
  }
}
