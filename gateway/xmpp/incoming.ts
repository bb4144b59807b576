import type { Socket } from 'node:net';
import { foldDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { DialbackReceiver } from './dialback-receiver.ts';
import { type EdgeContext, newStreamId, UNPROVEN_ELEMENT_BYTES } from './edge-context.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import { prospectiveDialback } from './evidence/dialback.ts';
import { featuresXml, offer, readBidiMaxBytes } from './features.ts';
import type { Fences } from './fence.ts';
import { ns } from './namespaces.ts';
import { ProvenDomains } from './proven-domains.ts';
import { SaslExternal } from './sasl-external.ts';
import { StanzaIntake } from './stanza-intake.ts';
import { StanzaOutlet } from './stanza-outlet.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { secureAsServer } from './tls.ts';
import { XmlStream } from './xml-stream.ts';

/** What an incoming stream needs of the edge around it. */
export interface IncomingOwner {
  verify(home: string, partner: string, streamId: string, key: string): Promise<DialbackOutcome>;
  /** A bidirectional stream may now carry our stanzas of this pair too (XEP-0288). */
  adopt(home: string, partner: string, stream: IncomingStream): void;
  /** An answer to a liveness probe of ours; true where it was one. */
  pong(element: ScannedElement): boolean;
  readonly fences: Fences;
  room(stream: IncomingStream): void;
  /** The stream is over, and `left`, in order, is what the peer has not taken. */
  closed(stream: IncomingStream, fault: Fault | undefined, left: readonly Stanza[]): void;
}

/** Headers a peer may send on one stream: in clear, behind TLS, behind SASL, and one to spare. */
const HEADERS = 4;
/** Domains one stream may prove: a hosting partner has dozens, not thousands. */
const PROVEN_DOMAINS = 256;

/**
 * A stream that a partner's server opened to us: TLS, then SASL EXTERNAL or dialback, then stanzas (RFC 6120 §4–6).
 * Nothing but the negotiation is read before a domain is proven on it.
 */
export class IncomingStream {
  readonly xml: XmlStream;
  /** What the peer has proven on it. */
  readonly proven: ProvenDomains;
  /** Domains by which the stream counts towards its partners' limits. */
  readonly #admitted: string[] = [];
  readonly address: string;
  id = newStreamId();
  /** The home domain the stream was opened to, '' until the header is read. */
  home = '';
  /** The domain the peer says it is; proof is another matter. */
  claimed = '';
  bidi = false;
  readonly #context: EdgeContext;
  readonly #owner: IncomingOwner;
  readonly #dialback: DialbackReceiver;
  readonly #sasl: SaslExternal;
  readonly #intake: StanzaIntake;
  readonly #outlet: StanzaOutlet;
  readonly #deadline: NodeJS.Timeout;
  #shakingHands = false;
  #headers = 0;

  constructor(socket: Socket, direct: boolean, context: EdgeContext, owner: IncomingOwner) {
    this.#context = context;
    this.#owner = owner;
    this.address = socket.remoteAddress ?? '';
    const { options } = context;
    this.xml = new XmlStream(
      socket,
      {
        contentNamespace: ns.server,
        limits: { ...options.scanner, elementBytes: UNPROVEN_ELEMENT_BYTES },
        allowance: options.unprovenBytes,
      },
      {
        header: (header) => this.#header(header),
        element: (element) => this.#element(element),
        drain: () => owner.room(this),
        closed: (fault) => this.#closed(fault),
      },
    );
    const proven = new ProvenDomains(context.proof);
    this.proven = proven;
    this.#outlet = new StanzaOutlet(this.xml, context.host);
    this.#intake = new StanzaIntake(this.xml, context.host, {
      get anyProven() {
        return proven.size > 0;
      },
      isProven: (domain) => proven.has(domain),
      pong: (element) => owner.pong(element),
    });
    this.#sasl = new SaslExternal(context, this, (partner, evidence) => this.#prove(this.home, partner, evidence));
    this.#dialback = new DialbackReceiver(context, this, {
      verify: (home, partner, id, key) => owner.verify(home, partner, id, key),
      prove: (home, partner, evidence) => this.#prove(home, partner, evidence),
      told: (home, partner) => this.#carry(home, partner),
    });
    this.#deadline = setTimeout(() => {
      const late = new StreamFault('connection-timeout', 'stream-timeout', 'Not proven in time.');
      // RFC 6120 §5.4.3.2: a handshake that fails ends without a word.
      if (this.#shakingHands) this.xml.destroy(late);
      else this.xml.fail(late);
    }, options.authTimeoutMs);
    if (direct) this.#secure(true);
  }

  get secured(): boolean {
    return this.proven.tls !== undefined;
  }

  get lastStanza(): number {
    return Math.max(this.#intake.lastStanza, this.#outlet.lastStanza);
  }

  /** The middle has room again for this pair. */
  unblock(pair: string): void {
    this.#intake.unblock(pair);
  }

  /** Carries a stanza of ours, where the stream is bidirectional. */
  send(stanza: Stanza): void {
    this.#outlet.send(stanza);
  }

  get full(): boolean {
    return this.#outlet.full;
  }

  get open(): boolean {
    return this.xml.open;
  }

  close(fault?: Fault): void {
    this.#outlet.close(fault);
  }

  #header(header: StreamHeader): void {
    if (++this.#headers > HEADERS)
      throw new StreamFault('policy-violation', 'stream-protocol', 'Too many stream restarts.');
    const from = header.from === '' ? '' : foldDomain(header.from);
    const to = header.to === '' ? '' : foldDomain(header.to);
    this.id = newStreamId();
    const reply = { from: header.to, to: header.from, id: this.id, version: header.version === '' ? '' : '1.0' };
    this.xml.prepareHeader(reply);
    if (to === undefined || from === undefined) throw new StreamFault('improper-addressing', 'address-malformed');
    if (to !== '' && !this.#context.host.isHome(to)) throw new StreamFault('host-unknown', 'domain-not-home');
    if (this.#sasl.authenticated !== '' && from !== '' && from !== this.#sasl.authenticated) {
      throw new StreamFault('invalid-from', 'sender-not-proven', 'Another domain than the one just authenticated.');
    }
    this.home = to === '' ? this.home : to;
    this.claimed = from === '' ? this.claimed : from;
    this.xml.sendHeader(reply);
    if (header.version !== '') this.xml.send(featuresXml(this.#offers()));
    else if (this.#context.options.tlsRequired && !this.secured) {
      throw new StreamFault('policy-violation', 'tls-unavailable', 'A stream without version can have no TLS.');
    }
    if (this.#sasl.authenticated !== '') this.#carry(this.home, this.#sasl.authenticated);
  }

  #offers(): string[] {
    const { options, certificates } = this.#context;
    const always = [offer.limits(options.scanner.elementBytes, options.idleMs)];
    if (!this.secured && certificates.contextFor(this.home) !== undefined) {
      const bare = options.tlsRequired ? [] : [offer.dialback, ...always];
      return [offer.starttls(options.tlsRequired), ...bare];
    }
    const bidi = options.bidi ? [offer.bidi] : [];
    if (this.proven.size > 0) return [offer.dialback, ...always];
    if (this.claimed === '') return [offer.dialback, ...bidi, ...always];
    const { host } = this.#context;
    const certificate = this.proven.certificateFor(this.claimed);
    if (host.trust(this.claimed, [certificate]).sufficient) return [offer.external, offer.dialback, ...bidi, ...always];
    const verdict = host.trust(this.claimed, [certificate, prospectiveDialback(this.claimed)]);
    if (verdict.sufficient) return [offer.dialback, ...bidi, ...always];
    const reason = verdict.reason !== 'trust-insufficient' || certificate.holds ? verdict.reason : certificate.reason;
    // One condition for strangers and for partners that prove too little: whose partners we are is nobody's business.
    const detail = reason === certificate.reason ? certificate.detail : undefined;
    throw new StreamFault('not-authorized', reason, detail, '', verdict.place);
  }

  #element(element: ScannedElement): void {
    const { namespace } = element;
    if (namespace === ns.server) {
      this.#intake.take(element);
      return;
    }
    if (namespace === ns.tls && element.name === 'starttls') this.#starttls();
    else if (namespace === ns.sasl) this.#sasl.element(element);
    else if (namespace === ns.dialback) this.#dialbackElement(element);
    else if (namespace === ns.bidi && element.name === 'bidi') this.#enableBidi(element);
    else throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${element.name}/>.`);
  }

  #starttls(): void {
    if (this.secured) throw new StreamFault('policy-violation', 'stream-protocol', 'TLS is already there.');
    if (this.#context.certificates.contextFor(this.home) === undefined) {
      this.xml.send(`<failure xmlns='${ns.tls}'/>`);
      this.xml.close();
      return;
    }
    this.xml.stopScanning();
    // The rest of this chunk must be looked at before the handshake: only then is it known that nothing hides in it.
    queueMicrotask(() => {
      if (!this.xml.open) return;
      try {
        this.xml.refuseInjection();
        this.xml.send(`<proceed xmlns='${ns.tls}'/>`);
        this.#secure(false);
      } catch (error) {
        this.xml.fail(error as StreamFault);
      }
    });
  }

  #secure(direct: boolean): void {
    const { certificates } = this.#context;
    const context = certificates.contextFor(this.home);
    if (context === undefined) {
      this.xml.destroy();
      return;
    }
    const contextFor = (name: string): ReturnType<typeof certificates.contextFor> => certificates.contextFor(name);
    secureAsServer(this.xml, { context, contextFor, direct }, (secured) => {
      this.proven.tls = secured;
      this.#shakingHands = false;
      // RFC 6120 §5.4.3.3: what was said in clear counts for nothing.
      this.claimed = '';
      this.bidi = false;
    });
    this.#shakingHands = true;
    this.xml.restart();
  }

  #dialbackElement(element: ScannedElement): void {
    if (this.#context.options.tlsRequired && !this.secured) {
      throw new StreamFault('policy-violation', 'tls-unavailable', 'Dialback before TLS.');
    }
    this.#dialback.element(element);
  }

  #enableBidi({ bytes }: ScannedElement): void {
    if (!this.#context.options.bidi || this.proven.size > 0) {
      throw new StreamFault(
        'policy-violation',
        'stream-protocol',
        'Bidirectional streams are agreed before the proof.',
      );
    }
    this.bidi = true;
    this.#outlet.maxBytes = readBidiMaxBytes(bytes);
  }

  /** A domain of the peer is proven towards a home domain. False where the partner may have no further stream. */
  #prove(home: string, partner: string, evidence: readonly Evidence[]): boolean {
    if (!this.proven.has(partner)) {
      if (this.proven.size >= PROVEN_DOMAINS) return false;
      if (!this.#admit(partner)) return false;
      this.proven.add(partner, evidence);
    }
    clearTimeout(this.#deadline);
    this.xml.trusted(this.#context.options.scanner.elementBytes);
    this.#context.journal.note('stream-proven', {
      ...this.facts(),
      partner,
      home,
      ...this.proven.facts(evidence),
    });
    return true;
  }

  /** Counts the stream, once for each partner that it proves a domain of. */
  #admit(partner: string): boolean {
    const { host } = this.#context;
    if (this.#admitted.some((domain) => host.samePartner(domain, partner))) return true;
    const { sufficient, reason, place } = host.admitStream(partner);
    if (sufficient) this.#admitted.push(partner);
    else if (this.proven.size === 0) {
      this.xml.fail(new StreamFault('resource-constraint', reason, undefined, '', place));
    }
    return sufficient;
  }

  /** The peer knows that it is proven: only now may stanzas of ours follow (XEP-0288 §3). */
  #carry(home: string, partner: string): void {
    if (!this.bidi || home === '') return;
    this.#outlet.receipts ??= this.#owner.fences.raise(this.xml, { home, partner }, () => this.#owner.room(this));
    this.#owner.adopt(home, partner, this);
  }

  facts(): { address: string; partner: string; home: string; direction: 'inbound' } {
    return { address: this.address, partner: this.claimed, home: this.home, direction: 'inbound' };
  }

  #closed(fault: Fault | undefined): void {
    clearTimeout(this.#deadline);
    this.#dialback.close();
    for (const partner of this.#admitted) this.#context.host.releaseStream(partner);
    const why = this.#shakingHands ? new Fault('tls-failed', fault?.message) : fault;
    this.#outlet.ended((left) => this.#owner.closed(this, why, left));
  }
}
