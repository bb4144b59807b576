import { randomBytes } from 'node:crypto';
import { wireBare } from '../../../policies/address.ts';
import type { Fault } from '../../../policies/fault.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import { type StreamCondition, StreamFault } from '../../xmpp/stream-error.ts';
import type { SignedIn } from './client-sasl.ts';
import type { ClientSessionTable, KeptSession } from './client-session-table.ts';
import type { LocalAddress, Session, SessionHost } from './session.ts';
import { type QueueBounds, type QueueOutlet, SessionQueue } from './session-queue.ts';

/** The stream that a session is on. */
export interface SessionStream extends QueueOutlet {
  /** The session has left it: what it still reads and how it ends is no matter of the session's. */
  release(): void;
  /** Reads on or stops reading, as the session has room. */
  regulate(): void;
  fail(fault: StreamFault): void;
  destroy(fault: Fault): void;
}

/** What sessions lean on. */
export interface SessionContext {
  readonly host: SessionHost;
  readonly table: ClientSessionTable;
  readonly bounds: QueueBounds;
  /** Ends it for good. */
  end(session: ClientSession, fault: Fault): void;
}

/** One bound resource: what its client has taken of us and we of it, on whichever stream it is just now. */
export class ClientSession implements Session {
  readonly id: string;
  readonly user: SignedIn;
  readonly address: LocalAddress;
  readonly jid: string;
  readonly queue: SessionQueue;
  /** Stanzas taken since the client enabled stream management. */
  handled = 0;
  /** Whether both sides count stanzas (XEP-0198), and whether the session outlives its stream. */
  managed = false;
  resumable = false;
  /** Whether the middle has no room for what the client sends. */
  held = false;
  /** Since when it has no stream, ms since 1970. */
  detachedAt: number | undefined;
  readonly #context: SessionContext;
  #stream: SessionStream | undefined;
  #over = false;
  #remembered = '';
  #countUnderWay = false;
  /** Of a session from before a restart that has not been resumed: rows it had sent, with their positions. */
  #before: ReadonlyMap<number, number> | undefined;

  constructor(user: SignedIn, resource: string, context: SessionContext, id = randomBytes(16).toString('hex')) {
    this.id = id;
    this.user = user;
    this.#context = context;
    const { local, domain } = user;
    this.address = { local, domain, resource };
    const bare = `${local}@${domain}`;
    this.jid = `${wireBare({ local, domain, resource, bare })}/${resource}`;
    this.queue = new SessionQueue(context.bounds, (mail) => context.host.settled(mail));
  }

  /** A session as it was kept before a restart. The users' side is told of it, and puts its mail in. */
  static restored(kept: KeptSession, now: number, context: SessionContext): ClientSession {
    const session = new ClientSession(kept.user, kept.resource, context, kept.id);
    session.handled = kept.handled;
    session.managed = true;
    session.resumable = true;
    session.detachedAt = now;
    session.#remembered = kept.remembered;
    session.queue.acknowledge();
    session.#before = new Map(kept.mail.map(({ mail, position }) => [mail, position]));
    context.host.restored(session, kept.remembered, [...session.#before.keys()]);
    return session;
  }

  get stream(): SessionStream | undefined {
    return this.#stream;
  }

  get crowded(): boolean {
    return this.queue.crowded;
  }

  send(stanza: Stanza, mail?: number): void {
    if (this.#over) return;
    const { bytes } = stanza;
    const before = mail === undefined ? undefined : this.#before?.get(mail);
    const release = this.queue.add({ bytes, mail, before });
    if (release === undefined) {
      this.#fail(new StreamFault('resource-constraint', 'queue-full', 'The client takes too little.'));
    } else if (mail !== undefined) {
      if (this.resumable && this.#before === undefined) this.#position(this.queue.last, mail);
      this.#context.host.whenKept(release);
    }
  }

  remember(text: string): void {
    if (this.#over || text === this.#remembered) return;
    this.#remembered = text;
    if (this.resumable) this.#context.table.remember(this.id, text);
  }

  close(condition: string): void {
    this.#fail(new StreamFault(condition as StreamCondition, 'session-ended'));
  }

  pause(): void {
    this.held = true;
    this.#stream?.regulate();
  }

  resume(): void {
    this.held = false;
    this.#stream?.regulate();
  }

  /** Takes a stanza of the client, already stamped. */
  take(stanza: Stanza): void {
    this.count();
    this.#context.host.stanza(this, stanza);
  }

  /** Counts a stanza of the client as taken. What is stored for it within this turn is kept with the count. */
  count(): void {
    if (this.managed) this.handled++;
    if (!this.resumable || this.#countUnderWay) return;
    this.#countUnderWay = true;
    const over = (): void => {
      this.#countUnderWay = false;
    };
    const handled = (): number => {
      over();
      return this.handled;
    };
    this.#context.table.handled(this.id, handled, over);
  }

  /** Begins to count stanzas both ways (XEP-0198 §3); `then` is called when a crash would not forget it. */
  manage(resumable: boolean, then: () => void): void {
    const stream = this.#stream;
    // Nothing is written until the client knows that it counts.
    this.queue.detach();
    this.queue.acknowledge();
    this.managed = true;
    this.resumable = resumable;
    if (resumable) {
      const { id, user, address } = this;
      const kept = { id, user, resource: address.resource, remembered: this.#remembered };
      this.#context.table.add(kept, (fault) => this.#fail(storeFault(fault)));
      this.#positionAll();
    }
    this.#whenKeptOn(stream, then);
  }

  /** Joins the stream of a client that has just bound it. */
  attach(stream: SessionStream): void {
    this.#stream = stream;
    this.queue.attach(stream);
  }

  /**
   * Moves to the stream of a client that resumes and has taken `h` stanzas; false where it was never sent so many.
   * `then` is called when all that it sent is kept; behind it follows what it has not taken.
   */
  rejoin(stream: SessionStream, h: number, then: () => void): boolean {
    if (this.#before !== undefined) {
      this.queue.recount(h);
      this.#before = undefined;
      this.#context.table.forgetMail(this.id);
      this.#positionAll();
    } else if (!this.queue.resume(h)) return false;
    else this.#context.table.settled(this.id, this.queue.taken);
    this.#stream = stream;
    this.detachedAt = undefined;
    this.#whenKeptOn(stream, then);
    return true;
  }

  /** The client says how far it has come; false where it was never sent so much. */
  confirm(h: number): boolean {
    const before = this.queue.taken;
    if (!this.queue.confirm(h)) return false;
    if (this.resumable && this.queue.taken !== before) this.#context.table.settled(this.id, this.queue.taken);
    return true;
  }

  /** Its stream is gone; returns that. */
  detach(now: number): SessionStream | undefined {
    const stream = this.#stream;
    this.#stream = undefined;
    this.detachedAt = now;
    this.queue.detach();
    stream?.release();
    return stream;
  }

  /** It is over: nothing is sent any more. Returns the mailbox rows that its client did not take. */
  finish(): number[] {
    this.#over = true;
    return this.queue.mail;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Tells `then` and begins to write, where the session is still on this stream by the time that all is kept. */
  #whenKeptOn(stream: SessionStream | undefined, then: () => void): void {
    this.#context.host.whenKept(() => {
      if (stream === undefined || this.#stream !== stream || this.#over) return;
      then();
      this.queue.attach(stream);
    });
  }

  #positionAll(): void {
    for (const { position, mail } of this.queue.positions()) this.#position(position, mail);
  }

  #position(position: number, mail: number): void {
    this.#context.table.sent(this.id, position, mail, (fault) => this.#fail(storeFault(fault)));
  }

  #fail(fault: StreamFault): void {
    if (!this.#over) this.#context.end(this, fault);
  }
}

function storeFault({ code, message }: Fault): StreamFault {
  return new StreamFault('resource-constraint', code, message);
}
