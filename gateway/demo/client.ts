import { setTimeout as delay } from 'node:timers/promises';
import { type Element, parse } from 'ltx';
import { ns } from '../xmpp/namespaces.ts';
import type { ScannedElement } from '../xmpp/start-tag.ts';
import { escapeAttribute, escapeText } from '../xmpp/xml.ts';
import { type Account, ClientStream } from './client-stream.ts';
import { Observed } from './observed.ts';

/** Between two attempts to come back, ms. */
const RETRY_MS = 100;
/** How long a client tries to come back before it gives up, ms: longer than a gateway takes to start. */
const RETURN_MS = 30_000;
/** How long a server may take to answer a request, ms. */
const ANSWER_MS = 10_000;
const ROSTER = "<query xmlns='jabber:iq:roster'/>";

/**
 * A user's client: signed in, with a roster, and with stream management (XEP-0198): where its connection breaks, it
 * comes back by itself, resumes, and sends again what the server has not taken.
 */
export class DemoClient {
  /** Every stanza received, in order. */
  readonly received = new Observed<Element>();
  readonly bareJid: string;
  readonly #account: Account;
  readonly #resource: string;
  #jid = '';
  #resumed = 0;
  #stream: ClientStream | undefined;
  #closing = false;
  readonly #gone = new AbortController();
  #requests = 0;
  /** Sent and not acknowledged, the oldest first; the server has acknowledged `#taken` before them. */
  #unacknowledged: string[] = [];
  #taken = 0;
  #askSoon = false;
  #handled = 0;
  /** '' where the server lets no session be resumed. */
  #session = '';

  /** Resolves when the user is online: bound, with the roster asked for (RFC 6121 §2.2) and initial presence sent. */
  static async signIn(account: Account, resource: string, signal: AbortSignal): Promise<DemoClient> {
    const client = new DemoClient(account, resource);
    try {
      await client.#connect(signal);
      await client.request(ROSTER);
      client.send('<presence/>');
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private constructor(account: Account, resource: string) {
    this.#account = account;
    this.#resource = resource;
    this.bareJid = `${account.local}@${account.domain}`;
  }

  /** The full address, as the server bound it. */
  get jid(): string {
    return this.#jid;
  }

  /** The SASL mechanism it signed in by last. */
  get mechanism(): string {
    return this.#stream?.mechanism ?? '';
  }

  /** How often it resumed its session after its connection broke. */
  get resumed(): number {
    return this.#resumed;
  }

  /** Sends a stanza: at once, or when the connection stands again. */
  send(stanza: string): void {
    this.#unacknowledged.push(stanza);
    this.#stream?.send(stanza);
    this.#ask();
  }

  say(to: string, body: string, id: string): void {
    this.send(
      `<message to='${escapeAttribute(to)}' type='chat' id='${escapeAttribute(id)}'>` +
        `<body>${escapeText(body)}</body></message>`,
    );
  }

  /** Sends an IQ and resolves with its answer, be that an error. `to` is the own server where it is left out. */
  async request(
    child: string,
    { type = 'get', to = '' }: { type?: 'get' | 'set'; to?: string } = {},
  ): Promise<Element> {
    this.#requests += 1;
    const id = `request-${this.#requests}`;
    const before = this.received.mark();
    this.send(`<iq type='${type}' id='${id}'${to === '' ? '' : ` to='${escapeAttribute(to)}'`}>${child}</iq>`);
    return this.received.find(
      `the answer to ${child}`,
      ({ name, attrs }) => name === 'iq' && attrs.id === id && /^(result|error)$/.test(attrs.type ?? ''),
      before,
      AbortSignal.any([this.#gone.signal, AbortSignal.timeout(ANSWER_MS)]),
    );
  }

  /** Goes offline in order. Idempotent. */
  close(): void {
    this.#closing = true;
    this.#gone.abort();
    this.#stream?.close();
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const [stream, features] = await ClientStream.open(
      this.#account,
      { element: (element) => this.#element(element), closed: () => this.#lost(stream) },
      signal,
    );
    try {
      if (!(await this.#resume(stream))) await this.#bind(stream, features);
    } catch (error) {
      stream.destroy();
      throw error;
    }
    this.#stream = stream;
    for (const stanza of this.#unacknowledged) stream.send(stanza);
    this.#ask();
    stream.deliver();
    if (this.#closing) stream.close();
  }

  /** XEP-0198 §5. False where there is nothing to resume, or the server knows of it no more. */
  async #resume(stream: ClientStream): Promise<boolean> {
    if (this.#session === '') return false;
    stream.send(`<resume xmlns='${ns.sm}' previd='${escapeAttribute(this.#session)}' h='${this.#handled}'/>`);
    const { name, attrs } = await stream.answer(ns.sm);
    this.#acknowledge(Number(attrs.h));
    if (name === 'resumed') {
      this.#resumed += 1;
      return true;
    }
    // A new session begins like the first one.
    this.#unacknowledged.unshift(`<iq type='get' id='roster'>${ROSTER}</iq>`, '<presence/>');
    return false;
  }

  async #bind(stream: ClientStream, features: Element): Promise<void> {
    const resource = `<resource>${escapeText(this.#resource)}</resource>`;
    stream.send(`<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${resource}</bind></iq>`);
    const bound = await stream.answer('jabber:client', 'iq');
    this.#jid = bound.getChild('bind')?.getChildText('jid') ?? '';
    if (this.#jid === '') throw new Error(`${this.bareJid} was not bound: ${bound}`);
    if (features.getChild('sm', ns.sm) === undefined) throw new Error(`${this.#account.domain} offers no XEP-0198.`);
    stream.send(`<enable xmlns='${ns.sm}' resume='true'/>`);
    const enabled = await stream.answer(ns.sm, 'enabled');
    this.#session = enabled.attrs.resume === 'true' ? (enabled.attrs.id ?? '') : '';
    this.#handled = 0;
    this.#taken = 0;
  }

  #element(element: ScannedElement): void {
    if (element.namespace === ns.sm) {
      this.#management(parse(element.bytes.toString()));
      return;
    }
    this.#handled += 1;
    const stanza = parse(element.bytes.toString());
    this.#answer(stanza);
    this.received.add(stanza);
  }

  #management({ name, attrs }: Element): void {
    if (name === 'r') this.#stream?.send(`<a xmlns='${ns.sm}' h='${this.#handled}'/>`);
    else if (name === 'a') this.#acknowledge(Number(attrs.h));
  }

  #acknowledge(handled: number): void {
    if (!(handled > this.#taken)) return;
    this.#unacknowledged.splice(0, handled - this.#taken);
    this.#taken = handled;
  }

  /** Asks once for all that is sent in this turn. */
  #ask(): void {
    if (this.#askSoon) return;
    this.#askSoon = true;
    queueMicrotask(() => {
      this.#askSoon = false;
      this.#stream?.send(`<r xmlns='${ns.sm}'/>`);
    });
  }

  /** RFC 6120 §8.2.3: every request is answered. */
  #answer({ name, attrs, children }: Element): void {
    const { type, id, from } = attrs;
    if (name !== 'iq' || (type !== 'get' && type !== 'set')) return;
    const [child] = children;
    const known = typeof child === 'object' && ['jabber:iq:roster', ns.ping].includes(child.attrs.xmlns ?? '');
    const to = from === undefined ? '' : ` to='${escapeAttribute(from)}'`;
    const error = `<error type='cancel'><service-unavailable xmlns='${ns.stanzaErrors}'/></error>`;
    this.send(
      `<iq type='${known ? 'result' : 'error'}' id='${escapeAttribute(id ?? '')}'${to}>${known ? '' : error}</iq>`,
    );
  }

  #lost(stream: ClientStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (!this.#closing) void this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    const signal = AbortSignal.any([this.#gone.signal, AbortSignal.timeout(RETURN_MS)]);
    while (!signal.aborted && this.#stream === undefined) {
      await delay(RETRY_MS);
      await this.#connect(signal).catch(() => undefined);
    }
  }
}
