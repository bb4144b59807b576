import type { Socket } from 'node:net';
import { foldDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { DialbackReceiver } from './dialback-receiver.ts';
import { type EdgeContext, newStreamId, UNPROVEN_ELEMENT_BYTES } from './edge-context.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import { featuresXml, readBidiMaxBytes } from './features.ts';
import type { Fences } from './fence.ts';
import { offersTo } from './incoming-offers.ts';
import { ns } from './namespaces.ts';
import { ProvenDomains } from './proven-domains.ts';
import type { Left } from './receipts.ts';
import type { ResumableStreams } from './resumable-streams.ts';
import { SaslExternal } from './sasl-external.ts';
import { StanzaIntake } from './stanza-intake.ts';
import { StanzaOutlet } from './stanza-outlet.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { ManagementReceiver, type Pair } from './stream-management-receiver.ts';
import type { Secured } from './tls.ts';
import { TlsReceiver } from './tls-receiver.ts';
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
  readonly resumable: ResumableStreams;
  /**
   * The stream is over, and `left` is what the peer has not taken; undefined where it may still resume the stream and
   * tell, which is then the business of `resumable`.
   */
  closed(stream: IncomingStream, fault: Fault | undefined, left: Left | undefined): void;
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
  /** What was proven first. */
  pair: Pair | undefined;
  readonly outlet: StanzaOutlet;
  readonly #context: EdgeContext;
  readonly #owner: IncomingOwner;
  readonly #tls: TlsReceiver;
  readonly #dialback: DialbackReceiver;
  readonly #sasl: SaslExternal;
  readonly #intake: StanzaIntake;
  readonly #management: ManagementReceiver;
  /** Pairs that stanzas of ours may be carried for, by `home partner`. */
  readonly #carried = new Map<string, Pair>();
  readonly #deadline: NodeJS.Timeout;
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
        closing: (then) => this.#closing(then),
        closed: (fault) => this.#closed(fault),
      },
    );
    const proven = new ProvenDomains(context.proof);
    this.proven = proven;
    this.outlet = new StanzaOutlet(this.xml, context.host);
    this.#intake = new StanzaIntake(this.xml, context.host, {
      get anyProven() {
        return proven.size > 0;
      },
      isProven: (domain) => proven.has(domain),
      pong: (element) => owner.pong(element),
    });
    this.#tls = new TlsReceiver(context.certificates, this, (secured) => this.#secured(secured));
    this.#sasl = new SaslExternal(context, this, (partner, evidence) => this.#prove(this.home, partner, evidence));
    this.#dialback = new DialbackReceiver(context, this, {
      verify: (home, partner, id, key) => owner.verify(home, partner, id, key),
      prove: (home, partner, evidence) => this.#prove(home, partner, evidence),
      told: (home, partner) => this.#carry(home, partner),
    });
    this.#management = new ManagementReceiver(context, this, {
      room: () => owner.room(this),
      resumable: owner.resumable,
      begun: (id) => owner.resumable.stands(id, this),
      resumed: () => this.#resumed(),
    });
    this.#deadline = setTimeout(() => {
      const late = new StreamFault('connection-timeout', 'stream-timeout', 'Not proven in time.');
      // RFC 6120 §5.4.3.2: a handshake that fails ends without a word.
      if (this.#tls.shakingHands) this.xml.destroy(late);
      else this.xml.fail(late);
    }, options.authTimeoutMs);
    if (direct) this.#tls.secure(true);
  }

  get secured(): boolean {
    return this.proven.tls !== undefined;
  }

  get lastStanza(): number {
    return Math.max(this.#intake.lastStanza, this.outlet.lastStanza);
  }

  /** To be called now and then. */
  lookAfter(now: number): void {
    this.#management.lookAfter(now);
  }

  /** The middle has room again for this pair. */
  unblock(pair: string): void {
    this.#intake.unblock(pair);
  }

  /** Carries a stanza of ours, where the stream is bidirectional. */
  send(stanza: Stanza): void {
    this.outlet.send(stanza);
  }

  get full(): boolean {
    return this.outlet.full;
  }

  get open(): boolean {
    return this.xml.open;
  }

  close(fault?: Fault): void {
    this.outlet.close(fault);
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
    if (header.version !== '') this.xml.send(featuresXml(offersTo(this, this.#context)));
    else if (this.#context.options.tlsRequired && !this.secured) {
      throw new StreamFault('policy-violation', 'tls-unavailable', 'A stream without version can have no TLS.');
    }
    if (this.#sasl.authenticated !== '') this.#carry(this.home, this.#sasl.authenticated);
  }

  #element(element: ScannedElement): void {
    const { namespace } = element;
    if (namespace === ns.server) {
      const { management } = this.#management;
      if (management?.concluded) return;
      this.#intake.take(element);
      management?.took();
    } else if (namespace === ns.sm) this.#management.element(element);
    else if (namespace === ns.tls && element.name === 'starttls') this.#tls.starttls();
    else if (namespace === ns.sasl) this.#sasl.element(element);
    else if (namespace === ns.dialback) this.#dialbackElement(element);
    else if (namespace === ns.bidi && element.name === 'bidi') this.#enableBidi(element);
    else throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${element.name}/>.`);
  }

  #secured(secured: Secured): void {
    this.proven.tls = secured;
    // RFC 6120 §5.4.3.3: what was said in clear counts for nothing.
    this.claimed = '';
    this.bidi = false;
  }

  #dialbackElement(element: ScannedElement): void {
    if (this.secured || !this.#context.options.tlsRequired) this.#dialback.element(element);
    else throw new StreamFault('policy-violation', 'tls-unavailable', 'Dialback before TLS.');
  }

  #enableBidi({ bytes }: ScannedElement): void {
    if (!this.#context.options.bidi || this.proven.size > 0) {
      throw new StreamFault('policy-violation', 'stream-protocol', 'Bidirectional is agreed before the proof.');
    }
    this.bidi = true;
    this.outlet.maxBytes = readBidiMaxBytes(bytes);
  }

  /** A domain of the peer is proven towards a home domain. False where the partner may have no further stream. */
  #prove(home: string, partner: string, evidence: readonly Evidence[]): boolean {
    if (!this.proven.has(partner)) {
      if (this.proven.size >= PROVEN_DOMAINS) return false;
      if (!this.#admit(partner)) return false;
      this.proven.add(partner, evidence);
    }
    clearTimeout(this.#deadline);
    this.pair ??= { home, partner };
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
    this.#carried.set(`${home} ${partner}`, { home, partner });
    if (this.#management.resuming) return;
    this.outlet.receipts ??= this.#owner.fences.raise(this.xml, { home, partner }, () => this.#owner.room(this));
    this.#owner.adopt(home, partner, this);
  }

  #resumed(): void {
    this.#context.journal.note('stream-resumed', this.facts());
    for (const { home, partner } of this.#carried.values()) this.#owner.adopt(home, partner, this);
  }

  facts(): { address: string; partner: string; home: string; direction: 'inbound' } {
    return { address: this.address, partner: this.claimed, home: this.home, direction: 'inbound' };
  }

  #closing(then: () => void): void {
    const { management } = this.#management;
    if (management !== undefined) management.conclude(then);
    // A closing tag says that all before it was taken.
    else if (this.proven.size > 0) this.#context.host.whenKept(then);
    else then();
  }

  #closed(fault: Fault | undefined): void {
    clearTimeout(this.#deadline);
    this.#dialback.close();
    for (const partner of this.#admitted) this.#context.host.releaseStream(partner);
    const why = this.#tls.shakingHands ? new Fault('tls-failed', fault?.message) : fault;
    const { id, pair } = this.#management;
    const suspension = this.#management.ended();
    this.#owner.resumable.gone(id, this);
    if (pair === undefined || suspension === undefined) {
      this.outlet.ended((left) => this.#owner.closed(this, why, left));
      return;
    }
    this.#owner.closed(this, why, undefined);
    this.#owner.resumable.broke(id, this, pair, suspension);
  }
}
