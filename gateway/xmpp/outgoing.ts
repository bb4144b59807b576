import type { Socket } from 'node:net';
import { asFault, Fault } from '../../policies/fault.ts';
import type { Stanza } from '../bridge/stanza.ts';
import type { DialbackInitiator } from './dialback-initiator.ts';
import { type EdgeContext, UNPROVEN_ELEMENT_BYTES } from './edge-context.ts';
import type { PeerFeatures } from './features.ts';
import type { Fences } from './fence.ts';
import { ns } from './namespaces.ts';
import { OutgoingNegotiation, type Target } from './outgoing-negotiation.ts';
import { ProvenDomains } from './proven-domains.ts';
import type { Left } from './receipts.ts';
import type { SessionCache } from './session-cache.ts';
import { StanzaIntake } from './stanza-intake.ts';
import { StanzaOutlet } from './stanza-outlet.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { ManagementInitiator, type SuspendedSession } from './stream-management-initiator.ts';
import { XmlStream } from './xml-stream.ts';

export type { Target } from './outgoing-negotiation.ts';

/** What an outgoing stream needs of the edge around it. */
export interface OutgoingOwner {
  readonly sessions: SessionCache;
  readonly fences: Fences;
  pong(element: ScannedElement): boolean;
  /** The stream takes more, or was confirmed to have taken some. */
  room(stream: OutgoingStream): void;
  /** The stream is over, and `left` is what the peer has not taken. */
  closed(stream: OutgoingStream, fault: Fault | undefined, left: Left): void;
  /** Instead of `closed`: the stream is over, and another may take it up. Without it no peer is asked for that. */
  suspended?(stream: OutgoingStream, fault: Fault | undefined, session: SuspendedSession): void;
}

/** A stream that we open to a partner's server: TLS, its identity, then ours by EXTERNAL or dialback, then stanzas. */
export class OutgoingStream {
  readonly xml: XmlStream;
  /** What proved the partner domains this stream leads to. */
  readonly proven: ProvenDomains;
  readonly partner: string;
  readonly home: string;
  readonly address: string;
  readonly purpose: Target['purpose'];
  ready = false;
  readonly #context: EdgeContext;
  readonly #owner: OutgoingOwner;
  readonly #target: Target;
  readonly #negotiation: OutgoingNegotiation;
  readonly #management: ManagementInitiator;
  readonly #intake: StanzaIntake;
  readonly #outlet: StanzaOutlet;
  /** Partner domains to which stanzas may be sent, with the home domains authorized towards each. */
  readonly #pairs = new Map<string, Set<string>>();

  constructor(socket: Socket, target: Target, context: EdgeContext, owner: OutgoingOwner) {
    this.#context = context;
    this.#owner = owner;
    this.#target = target;
    this.partner = target.partner;
    this.home = target.home;
    this.purpose = target.purpose;
    this.address = socket.remoteAddress ?? '';
    const room = (): void => owner.room(this);
    this.xml = new XmlStream(
      socket,
      {
        contentNamespace: ns.server,
        limits: { ...context.options.scanner, elementBytes: UNPROVEN_ELEMENT_BYTES },
        allowance: context.options.unprovenBytes,
      },
      {
        header: (header) => this.#negotiation.inbox.put(header),
        element: (element) => this.#element(element),
        drain: room,
        closing: (then) => this.#closing(then),
        closed: (fault) => this.#closed(fault),
      },
    );
    const proven = new ProvenDomains(context.proof);
    this.proven = proven;
    this.#negotiation = new OutgoingNegotiation(context, this.xml, target, proven, owner.sessions);
    const resumable = owner.suspended !== undefined;
    this.#management = new ManagementInitiator(this.xml, this.#negotiation.inbox, {
      host: context.host,
      room,
      resumable,
    });
    this.#outlet = new StanzaOutlet(this.xml, context.host);
    this.#intake = new StanzaIntake(this.xml, context.host, {
      get anyProven() {
        return proven.size > 0;
      },
      // The peer is proven before we are; its first stanza may come in one packet with what proves us (XEP-0288 §3).
      isProven: (domain) => this.bidi && proven.has(domain),
      pong: (element) => owner.pong(element),
    });
  }

  /**
   * Negotiates up to the point where stanzas may flow (or keys may be verified). Rejects with a {@link Fault}; the
   * stream is closed then. `signal` bounds all of it.
   */
  async negotiate(signal: AbortSignal): Promise<void> {
    const abort = (): void => this.xml.destroy(new Fault('stream-timeout', 'The negotiation took too long.'));
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      await this.#negotiation.run();
      if (this.purpose === 'traffic') await this.#prepare();
      this.ready = true;
    } catch (error) {
      const fault = asFault(error);
      if (fault instanceof StreamFault) this.xml.fail(fault);
      else if (fault.code === 'tls-failed') this.xml.destroy(fault);
      else this.xml.close(fault);
      throw fault;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  get features(): PeerFeatures {
    return this.#negotiation.features;
  }

  /** Whether stanzas may flow back on this stream (XEP-0288). */
  get bidi(): boolean {
    return this.#negotiation.bidi;
  }

  get open(): boolean {
    return this.ready && this.xml.open;
  }

  get full(): boolean {
    return this.#outlet.full;
  }

  get lastStanza(): number {
    return Math.max(this.#intake.lastStanza, this.#outlet.lastStanza);
  }

  /** Whether the peer takes further pairs by dialback on this stream (XEP-0220 §2.7). */
  get multiplexes(): boolean {
    return this.open && this.purpose === 'traffic' && this.features.dialbackErrors;
  }

  carries(home: string, partner: string): boolean {
    return this.#pairs.get(partner)?.has(home) === true;
  }

  /** Authorizes a further pair on this stream, XEP-0220 §2.7. Rejects with a {@link Fault}. */
  async authorize(home: string, partner: string): Promise<void> {
    if (!this.proven.has(partner)) this.proven.add(partner, this.#negotiation.judge(partner));
    await this.#negotiation.dialback.authorize(home, partner, this.#context.options.authTimeoutMs);
    this.#authorized(home, partner);
  }

  /** Asks the authoritative server about a key it should have made, XEP-0220 §2.1.3. */
  verify(
    home: string,
    streamId: string,
    key: string,
    limitMs = this.#context.options.authTimeoutMs,
  ): ReturnType<DialbackInitiator['verify']> {
    return this.#negotiation.dialback.verify(home, this.partner, streamId, key, limitMs);
  }

  send(stanza: Stanza): void {
    this.#outlet.send(stanza);
  }

  unblock(pair: string): void {
    this.#intake.unblock(pair);
  }

  /** Probes a silent peer; false where the stream itself has no way to ask. */
  probe(): boolean {
    return this.#outlet.receipts?.probe() === true;
  }

  close(fault?: Fault): void {
    this.#outlet.close(fault);
  }

  facts(): { address: string; partner: string; home: string; direction: 'outbound' } {
    return { address: this.address, partner: this.partner, home: this.home, direction: 'outbound' };
  }

  /**
   * We are proven. What the peer takes is confirmed by stream management where it has that, else by fences; one that
   * offers it and then declines confirms nothing.
   */
  async #prepare(): Promise<void> {
    this.#authorized(this.home, this.partner);
    this.#outlet.maxBytes = this.features.maxBytes;
    if (this.features.sm) {
      await this.#management.begin(this.#target.resumption);
      this.#outlet.receipts = this.#management.management;
    } else this.#outlet.receipts = this.#owner.fences.raise(this.xml, this, () => this.#owner.room(this));
  }

  #authorized(home: string, partner: string): void {
    const homes = this.#pairs.get(partner) ?? new Set();
    this.#pairs.set(partner, homes.add(home));
    this.#context.journal.note('stream-proven', {
      ...this.facts(),
      partner,
      home,
      ...this.proven.facts(this.proven.get(partner)),
      resumed: this.proven.tls?.resumed,
    });
  }

  #element(element: ScannedElement): void {
    const { namespace, name } = element;
    if (namespace === ns.server) {
      const { management } = this.#management;
      if (management?.concluded) return;
      this.#intake.take(element);
      management?.took();
    } else if (namespace === ns.dialback) this.#negotiation.dialback.element(element);
    else if (namespace === ns.sm) this.#management.element(element);
    else if (this.ready) throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${name}/>.`);
    else this.#negotiation.element(element);
  }

  #closing(then: () => void): void {
    const { management } = this.#management;
    if (management === undefined) then();
    else management.conclude(then);
  }

  #closed(fault: Fault | undefined): void {
    this.#negotiation.close(fault ?? new Fault('stream-error', 'The peer closed the stream.'));
    const session = this.#suspended();
    if (session !== undefined) this.#owner.suspended?.(this, fault, session);
    else this.#outlet.ended((left) => this.#owner.closed(this, fault, left));
  }

  /**
   * After a break the peer too may hold stanzas for this stream, where it is bidirectional. After a close in good order
   * it may still know, and tell whoever resumes, what it had handled in the end.
   */
  #suspended(): SuspendedSession | undefined {
    const pending = (this.#management.management?.pending ?? 0) > 0;
    const { broken, peerClosedFirst } = this.xml;
    const resumes = broken ? this.bidi || pending : peerClosedFirst && pending;
    return resumes ? this.#management.suspend() : undefined;
  }
}
