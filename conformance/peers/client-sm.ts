import { setTimeout } from 'node:timers/promises';
import { type Element, xml } from '@xmpp/client';
import { type C2sOptions, C2sStream } from './c2s-stream.ts';
import type { Party } from './correspondent.ts';
import { Inbox, type NextOptions } from './inbox.ts';

export interface SmClientOptions extends C2sOptions {
  /** Chosen by the server when left out. */
  readonly resource?: string | undefined;
  /** false: no initial presence is sent; true when left out. */
  readonly available?: boolean | undefined;
}

const smNs = 'urn:xmpp:sm:3';
const bindNs = 'urn:ietf:params:xml:ns:xmpp-bind';
const rosterNs = 'jabber:iq:roster';
const stanzasNs = 'urn:ietf:params:xml:ns:xmpp-stanzas';
/** ms between two tries to connect. */
const againMs = 25;
/** ms for which a client tries before it fails its test. */
const patienceMs = 60_000;

/** A stanza from the moment it is sent until the server has acknowledged it. */
interface Outgoing {
  readonly text: string;
  readonly settle: (acknowledged: boolean) => void;
}

/**
 * A user's client with stream management (XEP-0198) as strict as it can be. It counts exactly, acknowledges only what
 * the test was handed, comes back by itself when its connection breaks, resumes, sends again what was not acknowledged,
 * and takes a new session only when the server knows nothing of the old one.
 */
export class SmClient implements Party {
  readonly address: string;
  readonly messages = new Inbox<Element>('messages', String);
  readonly presences = new Inbox<Element>('presences', String);
  /** Requests that came in, and answers nobody waits for. */
  readonly iqs = new Inbox<Element>('iqs', String);
  /** Sessions that were bound, resumptions not counted. */
  sessions = 0;
  resumptions = 0;
  /** What the server did that XEP-0198 forbids. */
  readonly violations: string[] = [];
  readonly #options: SmClientOptions;
  readonly #answers = new Map<string, (answer: Element) => void>();
  #stream: C2sStream | undefined;
  #jid = '';
  #resumeId: string | undefined;
  /** Stanzas handled since the session began. */
  #handled = 0;
  /** Stanzas that the server has acknowledged since the session began; those of `#outgoing` follow. */
  #acknowledged = 0;
  readonly #outgoing: Outgoing[] = [];
  #requests = 0;
  #closed = false;

  /** Resolves when the user is online, knows the roster and, unless `available` is false, the server has taken the initial presence. */
  static async connect(options: SmClientOptions): Promise<SmClient> {
    const client = new SmClient(options);
    await client.#connect();
    await client.request(xml('iq', { type: 'get' }, xml('query', { xmlns: rosterNs })));
    if (options.available ?? true) await client.becomeAvailable();
    return client;
  }

  private constructor(options: SmClientOptions) {
    this.#options = options;
    this.address = `${options.username}@${options.domain}`;
  }

  /** The full address, such as `alice@a.example/2k9f`. */
  get jid(): string {
    return this.#jid;
  }

  get bareJid(): string {
    return this.address;
  }

  listen(listener: (message: Element) => void): void {
    this.messages.consume(listener);
  }

  /** Sends presence and waits until the server reflects it. */
  async becomeAvailable(...children: Element[]): Promise<void> {
    void this.send(xml('presence', {}, ...children));
    await this.presences.next(({ attrs }) => attrs.from === this.jid && attrs.type === undefined);
  }

  /**
   * Resolves when the server has acknowledged it, over however many connections that takes; with false when the session
   * ended, and what became of it is not known.
   */
  async send(stanza: Element): Promise<boolean> {
    return this.hand([stanza]);
  }

  /** Sends all of them in one write; resolves as {@link send} does. */
  async hand(stanzas: readonly Element[]): Promise<boolean> {
    const settled = stanzas.map(
      (stanza) =>
        new Promise<boolean>((settle) => {
          this.#outgoing.push({ text: String(stanza), settle });
        }),
    );
    this.#stream?.send(`${stanzas.join('')}<r xmlns='${smNs}'/>`);
    return (await Promise.all(settled)).every(Boolean);
  }

  /** Sends a chat message. */
  async say(to: string, body: string, id?: string): Promise<void> {
    await this.send(xml('message', { to, type: 'chat', id }, xml('body', {}, body)));
  }

  /** Sends an iq and resolves with the answer, be it a result or an error. The id is set when there is none. */
  async request(iq: Element, { timeoutMs = 10_000 }: NextOptions = {}): Promise<Element> {
    this.#requests += 1;
    const id = iq.attrs.id ?? `request-${this.#requests}`;
    iq.attrs.id = id;
    const { promise, resolve, reject } = Promise.withResolvers<Element>();
    const timer = globalThis.setTimeout(() => reject(new Error(`no answer to ${iq}`)), timeoutMs);
    this.#answers.set(id, resolve);
    void this.send(iq);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#answers.delete(id);
    }
  }

  /** Breaks the connection, as a network does; the client comes back by itself. */
  drop(): void {
    this.#stream?.destroy();
  }

  /** Goes offline in good order: the session is over. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#acknowledge();
    await this.#stream?.end();
  }

  async #connect(): Promise<void> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      try {
        const stream = await C2sStream.open(this.#options);
        if (this.#closed) return stream.destroy();
        await this.#begin(stream);
        return;
      } catch (error) {
        if (this.#closed) return;
        if (Date.now() > deadline) throw error;
        await setTimeout(againMs);
      }
    }
  }

  /** Resumes on a stream that is signed in, or binds a new session; rejects when the stream breaks. */
  async #begin(stream: C2sStream): Promise<void> {
    if (!stream.features.getChild('sm', smNs)) throw new Error(`no stream management: ${stream.features}`);
    if (this.#resumeId === undefined || !(await this.#resume(stream))) await this.#bind(stream);
    this.#stream = stream;
    if (this.#outgoing.length > 0) {
      stream.send(`${this.#outgoing.map(({ text }) => text).join('')}<r xmlns='${smNs}'/>`);
    }
    stream.listen((element) => this.#take(element));
    void stream.closed.then(() => {
      this.#stream = undefined;
      if (!this.#closed) this.#connect().catch((error) => this.violations.push(`the server is gone: ${error}`));
    });
  }

  async #resume(stream: C2sStream): Promise<boolean> {
    stream.send(`<resume xmlns='${smNs}' previd='${this.#resumeId}' h='${this.#handled}'/>`);
    const answer = await stream.next();
    if (answer.is('resumed', smNs)) {
      this.#confirm(answer);
      this.resumptions += 1;
      return true;
    }
    if (!answer.is('failed', smNs)) throw new Error(`no answer to a resumption: ${answer}`);
    // §5: with `h` the server still knows what it took of the old session; without it nobody does.
    if (answer.attrs.h === undefined) for (const { settle } of this.#outgoing.splice(0)) settle(false);
    else this.#confirm(answer);
    return false;
  }

  async #bind(stream: C2sStream): Promise<void> {
    const { resource } = this.#options;
    const wanted = resource === undefined ? '' : `<resource>${resource}</resource>`;
    stream.send(`<iq type='set' id='bind'><bind xmlns='${bindNs}'>${wanted}</bind></iq>`);
    const bound = await stream.next();
    const jid = bound.getChild('bind', bindNs)?.getChildText('jid');
    if (!jid) throw new Error(`not bound: ${bound}`);
    stream.send(`<enable xmlns='${smNs}' resume='true'/>`);
    const enabled = await stream.next();
    if (!enabled.is('enabled', smNs) || !enabled.attrs.id) throw new Error(`no resumption: ${enabled}`);
    const again = this.sessions > 0;
    this.sessions += 1;
    this.#jid = jid;
    this.#resumeId = enabled.attrs.id;
    this.#handled = 0;
    this.#acknowledged = 0;
    if (again && (this.#options.available ?? true)) {
      this.#outgoing.unshift({ text: '<presence/>', settle: () => {} });
    }
  }

  #take(element: Element): void {
    if (element.is('r', smNs)) this.#acknowledge();
    else if (element.is('a', smNs)) this.#confirm(element);
    else if (['message', 'presence', 'iq'].includes(element.name)) {
      this.#sort(element);
      this.#handled += 1;
    } else if (element.name !== 'stream:error') this.violations.push(`unexpected: ${element}`);
  }

  #acknowledge(): void {
    this.#stream?.send(`<a xmlns='${smNs}' h='${this.#handled}'/>`);
  }

  #confirm({ attrs }: Element): void {
    const count = Number(attrs.h) - this.#acknowledged;
    if (!(count >= 0 && count <= this.#outgoing.length)) {
      this.violations.push(`h=${attrs.h}, and ${this.#acknowledged} + ${this.#outgoing.length} were sent`);
      return;
    }
    this.#acknowledged += count;
    for (const { settle } of this.#outgoing.splice(0, count)) settle(true);
  }

  #sort(stanza: Element): void {
    if (stanza.name === 'message') this.messages.add(stanza);
    else if (stanza.name === 'presence') this.presences.add(stanza);
    else if (stanza.attrs.type === 'result' || stanza.attrs.type === 'error') {
      (this.#answers.get(stanza.attrs.id ?? '') ?? ((answer) => this.iqs.add(answer)))(stanza);
    } else this.#serve(stanza);
  }

  /** Roster pushes are taken (RFC 6121 §2.1.6), pings answered, everything else is not spoken here. */
  #serve(iq: Element): void {
    this.iqs.add(iq);
    const [child] = iq.getChildElements();
    const known = child?.is('ping', 'urn:xmpp:ping') || (child?.is('query', rosterNs) && iq.attrs.type === 'set');
    const answer = { to: iq.attrs.from, id: iq.attrs.id };
    void this.send(
      known
        ? xml('iq', { ...answer, type: 'result' })
        : xml(
            'iq',
            { ...answer, type: 'error' },
            xml('error', { type: 'cancel' }, xml('service-unavailable', { xmlns: stanzasNs })),
          ),
    );
  }
}
