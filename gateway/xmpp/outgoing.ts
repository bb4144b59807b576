import type { Socket } from 'node:net';
import { wireDomain } from '../../policies/address.ts';
import { asFault, Fault } from '../../policies/fault.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { DialbackInitiator } from './dialback-initiator.ts';
import { type EdgeContext, UNPROVEN_ELEMENT_BYTES } from './edge-context.ts';
import { dialbackEvidence } from './evidence/dialback.ts';
import { noFeatures, offer, type PeerFeatures, readFeatures } from './features.ts';
import type { Fences } from './fence.ts';
import { Inbox } from './inbox.ts';
import { ns } from './namespaces.ts';
import { ProvenDomains } from './proven-domains.ts';
import type { Receipts } from './receipts.ts';
import type { SessionCache } from './session-cache.ts';
import { StanzaIntake } from './stanza-intake.ts';
import { StanzaOutlet } from './stanza-outlet.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { StreamManagement } from './stream-management.ts';
import { secureAsClient } from './tls.ts';
import { type HeaderToSend, XmlStream } from './xml-stream.ts';

/** What an outgoing stream needs of the edge around it. */
export interface OutgoingOwner {
  readonly sessions: SessionCache;
  readonly fences: Fences;
  pong(element: ScannedElement): boolean;
  /** The stream takes more, or was confirmed to have taken some. */
  room(stream: OutgoingStream): void;
  /** The stream is over, and `left`, in order, is what the peer has not taken. */
  closed(stream: OutgoingStream, fault: Fault | undefined, left: readonly Stanza[]): void;
}

export interface Target {
  readonly home: string;
  readonly partner: string;
  readonly tls: 'direct' | 'starttls';
  /** `traffic` proves us to the peer; `verify` only asks about a dialback key. */
  readonly purpose: 'traffic' | 'verify';
  /** Whether the peer may send stanzas on it too (XEP-0288). */
  readonly bidi: boolean;
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
  features: PeerFeatures = noFeatures;
  /** Whether stanzas may flow back on this stream (XEP-0288). */
  bidi = false;
  ready = false;
  readonly #context: EdgeContext;
  readonly #owner: OutgoingOwner;
  readonly #target: Target;
  readonly #inbox = new Inbox();
  readonly #dialback: DialbackInitiator;
  readonly #intake: StanzaIntake;
  readonly #outlet: StanzaOutlet;
  /** Partner domains to which stanzas may be sent, with the home domains authorized towards each. */
  readonly #pairs = new Map<string, Set<string>>();
  #peer: StreamHeader | undefined;
  #management: StreamManagement | undefined;

  constructor(socket: Socket, target: Target, context: EdgeContext, owner: OutgoingOwner) {
    this.#context = context;
    this.#owner = owner;
    this.#target = target;
    this.partner = target.partner;
    this.home = target.home;
    this.purpose = target.purpose;
    this.address = socket.remoteAddress ?? '';
    this.xml = new XmlStream(
      socket,
      {
        contentNamespace: ns.server,
        limits: { ...context.options.scanner, elementBytes: UNPROVEN_ELEMENT_BYTES },
        allowance: context.options.unprovenBytes,
      },
      {
        header: (header) => this.#inbox.put(header),
        element: (element) => this.#element(element),
        drain: () => owner.room(this),
        closed: (fault) => this.#closed(fault),
      },
    );
    this.xml.prepareHeader(this.#header());
    this.#dialback = new DialbackInitiator(context, this.xml, () => this.#peer?.id ?? '');
    const proven = new ProvenDomains(context.proof);
    this.proven = proven;
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
      await this.#negotiate();
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

  async #negotiate(): Promise<void> {
    const { options } = this.#context;
    if (this.#target.tls === 'direct') await this.#secure(true);
    let features = await this.#openStream();
    // RFC 7590 §3.1: an attacker may strip the offer, so TLS is tried where it is demanded and not offered.
    if (!this.proven.tls && (features.starttls || options.tlsRequired)) {
      await this.#starttls();
      features = await this.#openStream();
    }
    this.proven.add(this.partner, this.#judge(this.partner));
    this.xml.trusted(options.scanner.elementBytes);
    if (this.purpose === 'verify') {
      this.ready = true;
      return;
    }
    if (this.#target.bidi && features.bidi) {
      this.xml.send(`<bidi xmlns='${ns.bidi}'>${offer.limits(options.scanner.elementBytes, options.idleMs)}</bidi>`);
      this.bidi = true;
    }
    if (!(await this.#external(features))) {
      if (!features.dialback && !this.#peer?.dialback) {
        throw new Fault('trust-insufficient', 'The peer accepts neither our certificate nor dialback.');
      }
      await this.#dialback.authorize(this.home, this.partner, options.authTimeoutMs);
    }
    this.#authorized(this.home, this.partner);
    this.#outlet.receipts = this.#askForReceipts();
    this.ready = true;
  }

  /** Opens or restarts the stream and waits for the peer's header and features. */
  async #openStream(): Promise<PeerFeatures> {
    this.xml.sendHeader(this.#header());
    const header = await this.#inbox.header();
    if (header.id === '') throw new StreamFault('bad-format', 'stream-protocol', 'The peer gave its stream no id.');
    this.#peer = header;
    // RFC 6120 §4.7.5: a peer without version sends no features.
    this.features =
      header.version === '' ? noFeatures : readFeatures((await this.#inbox.element(ns.streams, 'features')).bytes);
    this.#outlet.maxBytes = this.features.maxBytes;
    return this.features;
  }

  #header(): HeaderToSend {
    return { from: wireDomain(this.home), to: wireDomain(this.partner), version: '1.0' };
  }

  async #starttls(): Promise<void> {
    this.xml.send(`<starttls xmlns='${ns.tls}'/>`);
    const answer = await this.#inbox.element(ns.tls);
    if (answer.name !== 'proceed') throw new Fault('tls-unavailable', 'The peer refused STARTTLS.');
    this.xml.refuseInjection();
    await this.#secure(false);
  }

  async #secure(direct: boolean): Promise<void> {
    const { certificates, proof } = this.#context;
    const context = certificates.contextFor(this.home);
    if (context === undefined)
      throw new Fault('certificate-unusable', `No certificate is configured for ${this.home}.`);
    const { sessions } = this.#owner;
    const key = `${this.home} ${certificates.fingerprintFor(this.home)} ${this.partner}`;
    const known = sessions.get(key);
    this.proven.tls = await secureAsClient(this.xml, {
      context,
      serverName: this.partner,
      direct,
      // Only while what it was made with still proves the partner: a renewed certificate shows in a full handshake.
      session: known && proof.evidence(this.partner, known.chain).holds ? known : undefined,
      onSession: (session) => sessions.put(key, session),
    });
    this.xml.restart();
  }

  /**
   * RFC 6120 §13.7.2: who answered? Its certificate says, or, where policy is content with dialback, DNS did.
   * Throws a {@link Fault} where neither suffices.
   */
  #judge(domain: string): readonly Evidence[] {
    const { host } = this.#context;
    const certificate = this.proven.certificateFor(domain);
    if (host.trust(domain, [certificate]).sufficient) return [certificate];
    const evidence = [certificate, dialbackEvidence(domain, 'valid', 'DNS named this server.')];
    const verdict = host.trust(domain, evidence);
    if (verdict.sufficient) return evidence;
    const reason = certificate.holds || verdict.reason !== 'trust-insufficient' ? verdict.reason : certificate.reason;
    throw new Fault(reason, certificate.detail, { place: verdict.place });
  }

  /** SASL EXTERNAL, XEP-0178 §3: false where it is not offered or refused, and dialback may be tried. */
  async #external(features: PeerFeatures): Promise<boolean> {
    if (!features.external || !this.#context.certificates.covers(this.home)) return false;
    const identity = Buffer.from(wireDomain(this.home)).toString('base64');
    this.xml.send(`<auth xmlns='${ns.sasl}' mechanism='EXTERNAL'>${identity}</auth>`);
    const answer = await this.#inbox.element(ns.sasl);
    if (answer.name !== 'success') {
      this.#context.journal.refuse('stream-refused', 'trust-insufficient', {
        ...this.facts(),
        detail: `The peer refused our certificate: ${answer.childName || answer.name}.`,
      });
      return false;
    }
    this.xml.restart();
    await this.#openStream();
    return true;
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
    if (!this.proven.has(partner)) this.proven.add(partner, this.#judge(partner));
    await this.#dialback.authorize(home, partner, this.#context.options.authTimeoutMs);
    this.#authorized(home, partner);
  }

  /** Asks the authoritative server about a key it should have made, XEP-0220 §2.1.3. */
  verify(
    home: string,
    streamId: string,
    key: string,
    limitMs = this.#context.options.authTimeoutMs,
  ): ReturnType<DialbackInitiator['verify']> {
    return this.#dialback.verify(home, this.partner, streamId, key, limitMs);
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
      this.#management?.took();
      this.#intake.take(element);
    } else if (namespace === ns.dialback) this.#dialback.element(element);
    else if (namespace === ns.sm) this.#management?.element(element);
    else if (this.ready) throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${name}/>.`);
    else {
      // TLS begins right behind this element; no later byte of it may be read as XML.
      if (namespace === ns.tls && name === 'proceed') this.xml.stopScanning();
      this.#inbox.put(element);
    }
  }

  /** By stream management where the peer has it, else by fences. */
  #askForReceipts(): Receipts | undefined {
    const room = (): void => this.#owner.room(this);
    if (!this.features.sm) return this.#owner.fences.raise(this.xml, this, room);
    this.#management = new StreamManagement(this.xml, room);
    return this.#management;
  }

  #closed(fault: Fault | undefined): void {
    const reason = fault ?? new Fault('stream-error', 'The peer closed the stream.');
    this.#inbox.fail(reason);
    this.#dialback.close(reason);
    this.#outlet.ended((left) => this.#owner.closed(this, fault, left));
  }
}
