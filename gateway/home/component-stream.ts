import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { wireDomain } from '../../policies/address.ts';
import { asFault, Fault } from '../../policies/fault.ts';
import type { Stanza, StanzaName } from '../bridge/stanza.ts';
import { Inbox } from '../xmpp/inbox.ts';
import { ns } from '../xmpp/namespaces.ts';
import type { Carrier } from '../xmpp/path.ts';
import type { Left } from '../xmpp/receipts.ts';
import type { ScannerLimits } from '../xmpp/scanner.ts';
import type { ScannedElement } from '../xmpp/start-tag.ts';
import { StreamFault } from '../xmpp/stream-error.ts';
import { Window } from '../xmpp/window.ts';
import { escapeAttribute } from '../xmpp/xml.ts';
import { XmlStream } from '../xmpp/xml-stream.ts';

export interface ComponentOptions {
  readonly host: string;
  readonly port: number;
  /** The component's name: the partner's domain. */
  readonly domain: string;
  readonly secret: string;
  /** A home domain, to which the fences are addressed. */
  readonly homeDomain: string;
  /** Unconfirmed stanzas on the link, and at most {@link WINDOW_BYTES} of them. */
  readonly window: number;
  readonly scanner: ScannerLimits;
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
}

export interface ComponentOwner {
  /** A stanza of a local user; false where there is no room for more until {@link ComponentStream.resume}. */
  stanza(stanza: Stanza): boolean;
  room(stream: ComponentStream): void;
  /** The home server has taken this stanza. */
  delivered(stanza: Stanza): void;
  closed(stream: ComponentStream, fault: Fault | undefined, left: Left): void;
}

/** Bounds what a broken link sends again, and the memory that costs. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** The least time between two batches, ms: what a stanza may wait under load. */
const SPACING_MS = 10;
/** How long the home server may leave a fence unanswered at most, ms; no longer than the silence before a question. */
const FENCE_MS = 60_000;
/** Errors that may wait to be written, bytes: all that one read can bring about. */
const OVERTAKE_BYTES = 1024 * 1024;
/** How long a partner that takes no more holds back what local users send it, ms. */
const PATIENCE_MS = 1_000;
/** The pause after each read from then on, ms: what comes back must not come faster than the home server takes it. */
const BREATH_MS = 50;
const FENCE = 'drawbridge-fence-';

/**
 * One XEP-0114 link to the local server, for one partner domain. Behind the stanzas it writes stands a fence, a ping
 * that the server answers in turn (XEP-0199): what lies before an answered fence was taken, what does not is in doubt
 * when the link breaks.
 */
export class ComponentStream implements Carrier {
  readonly #options: ComponentOptions;
  readonly #owner: ComponentOwner;
  readonly #xml: XmlStream;
  readonly #inbox = new Inbox();
  readonly #window: Window;
  readonly #nonce = randomBytes(6).toString('hex');
  #linked = false;
  #patience: NodeJS.Timeout | undefined;
  #congested = false;
  /** When the first fence was sent behind which nothing was read yet; those that follow it change nothing about it. */
  #asked = 0;

  constructor(options: ComponentOptions, owner: ComponentOwner) {
    this.#options = options;
    this.#owner = owner;
    const socket = connect({ host: options.host, port: options.port });
    this.#xml = new XmlStream(
      socket,
      { contentNamespace: ns.component, limits: options.scanner },
      {
        header: (header) => this.#inbox.put(header),
        element: (element) => this.#element(element),
        drain: () => this.#drained(),
        closed: (fault) => this.#closed(fault),
      },
    );
    const bounds = { stanzas: options.window, bytes: WINDOW_BYTES, spacingMs: SPACING_MS };
    this.#window = new Window({ ...bounds, delivered: (stanza) => owner.delivered(stanza) }, (stanzas) => {
      for (const { bytes } of stanzas) this.#xml.send(bytes);
      this.#fence();
    });
  }

  /** Connects and shakes hands (XEP-0114 §3). Rejects with a {@link Fault}; the link is closed then. */
  async negotiate(): Promise<void> {
    const { domain, secret, connectTimeoutMs } = this.#options;
    const timer = setTimeout(() => this.#xml.destroy(new Fault('stream-timeout')), connectTimeoutMs);
    try {
      this.#xml.sendHeader({ to: wireDomain(domain) });
      const { id } = await this.#inbox.header();
      const proof = createHash('sha1').update(id).update(secret).digest('hex');
      this.#xml.send(`<handshake>${proof}</handshake>`);
      await this.#inbox.element(ns.component, 'handshake');
    } catch (error) {
      const fault = asFault(error);
      this.#xml.close(fault);
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }

  get open(): boolean {
    return this.#linked && this.#xml.open;
  }

  get full(): boolean {
    return this.#xml.wire.full || this.#window.full;
  }

  /** Stanzas written and not fenced yet. */
  get unconfirmed(): number {
    return this.#window.pending;
  }

  send(stanza: Stanza): void {
    this.#window.add(stanza);
  }

  /** Writes at once and unconfirmed, ahead of what waits for the window; false where the wire is more than full. */
  overtake(stanza: Stanza): boolean {
    if (!this.open || this.#xml.wire.backlog > OVERTAKE_BYTES) return false;
    this.#xml.send(stanza.bytes);
    return true;
  }

  /** There is room again. */
  resume(): void {
    this.#congested = false;
    clearTimeout(this.#patience);
    this.#xml.wire.resume();
  }

  /** Probes a silent home server and drops a dead one; to be called now and then. */
  lookAfter(now: number): void {
    const silent = now - this.#xml.lastRead;
    if (!this.#linked || this.#xml.wire.paused) return;
    const answered = this.#asked <= this.#xml.lastRead;
    if (!answered && now - this.#asked > Math.min(FENCE_MS, this.#options.keepAliveMs)) {
      this.#xml.destroy(new Fault('stream-idle', 'The home server answers no ping.'));
    } else if (silent > this.#options.keepAliveMs && answered) this.#fence();
  }

  close(fault: Fault): void {
    this.#window.flush();
    this.#xml.close(fault);
  }

  #fence(): void {
    if (this.#asked <= this.#xml.lastRead) this.#asked = Date.now();
    const from = escapeAttribute(wireDomain(this.#options.domain));
    const to = escapeAttribute(wireDomain(this.#options.homeDomain));
    const id = `${FENCE}${this.#nonce}-${this.#window.written}`;
    this.#xml.send(`<iq type='get' id='${id}' from='${from}' to='${to}'><ping xmlns='${ns.ping}'/></iq>`);
  }

  #element(element: ScannedElement): void {
    const { name } = element;
    if (element.namespace !== ns.component) {
      throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${name}/>.`);
    }
    if (!this.#linked) {
      // Stanzas may follow in the same packet.
      if (name === 'handshake') this.#linked = true;
      this.#inbox.put(element);
      return;
    }
    if (name !== 'message' && name !== 'presence' && name !== 'iq') {
      throw new StreamFault('unsupported-stanza-type', 'stanza-malformed', `<${name}/> is no stanza.`);
    }
    if (name === 'iq' && this.#passed(element)) return;
    if (!this.#owner.stanza({ ...element, name: name as StanzaName })) this.#congest();
    if (this.#xml.wire.full) this.#hold();
  }

  /**
   * A partner takes no more. Holding for a while evens out bursts; but what is not read piles up in the home server
   * without a bound, and the answers to our fences with it. So towards a partner that is stuck it comes back, slowly.
   */
  #congest(): void {
    this.#hold(this.#congested ? BREATH_MS : PATIENCE_MS);
    this.#congested = true;
  }

  /** Reads no further, for a while: until there is room, or the home server has read what it was answered. */
  #hold(ms = PATIENCE_MS): void {
    if (this.#xml.wire.paused) return;
    this.#xml.wire.pause();
    this.#patience = setTimeout(() => this.#xml.wire.resume(), ms);
  }

  #drained(): void {
    clearTimeout(this.#patience);
    this.#xml.wire.resume();
    this.#owner.room(this);
  }

  /** An answered fence; an error answers as well as a result. */
  #passed({ id, type }: ScannedElement): boolean {
    if (!id.startsWith(FENCE) || (type !== 'result' && type !== 'error')) return false;
    const [nonce, upTo] = id.slice(FENCE.length).split('-');
    if (nonce !== this.#nonce) return false;
    if (this.#window.confirm(Number(upTo))) this.#owner.room(this);
    return true;
  }

  #closed(fault: Fault | undefined): void {
    this.#inbox.fail(fault ?? new Fault('stream-error', 'The home server closed the link.'));
    clearTimeout(this.#patience);
    if (this.#xml.readToEnd) this.#window.confirm(this.#window.written);
    this.#owner.closed(this, fault, this.#window.close());
  }
}
