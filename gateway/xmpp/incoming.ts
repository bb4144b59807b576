import type { Socket } from 'node:net';
import { foldDomain } from '../../policies/address.ts';
import { Fault, type Place } from '../../policies/fault.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { DialbackReceiver } from './dialback-receiver.ts';
import { CLOSE_MS, type EdgeContext, newStreamId, STALL_MS, UNPROVEN_ELEMENT_BYTES } from './edge-context.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import { prospectiveDialback } from './evidence/dialback.ts';
import { exceeds, featuresXml, offer, readBidiMaxBytes } from './features.ts';
import type { Fences } from './fence.ts';
import { ns } from './namespaces.ts';
import type { Receipts } from './receipts.ts';
import { StanzaIntake } from './stanza-intake.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { type Secured, secureAsServer } from './tls.ts';
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

/** RFC 6120 §6.4.5 allows two to five tries. */
const SASL_TRIES = 3;
const SASL_FAILURE = `<failure xmlns='${ns.sasl}'>`;
/** Domains one stream may prove: a hosting partner has dozens, not thousands. */
const PROVEN_DOMAINS = 256;

/**
 * A stream that a partner's server opened to us: TLS, then SASL EXTERNAL or dialback, then stanzas (RFC 6120 §4–6).
 * Nothing but the negotiation is read before a domain is proven on it.
 */
export class IncomingStream {
  readonly xml: XmlStream;
  readonly address: string;
  id = newStreamId();
  /** The home domain the stream was opened to, '' until the header is read. */
  home = '';
  /** The domain the peer says it is; proof is another matter. */
  claimed = '';
  bidi = false;
  #receipts: Receipts | undefined;
  #lastSent = 0;
  #peerMaxBytes = 0;
  readonly #context: EdgeContext;
  readonly #owner: IncomingOwner;
  readonly #dialback: DialbackReceiver;
  readonly #intake: StanzaIntake;
  readonly #proven = new Map<string, readonly Evidence[]>();
  readonly #deadline: NodeJS.Timeout;
  #secured: Secured | undefined;
  #shakingHands = false;
  #authenticated = '';
  #saslFailures = 0;
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
        stallMs: STALL_MS,
        closeMs: CLOSE_MS,
      },
      {
        header: (header) => this.#header(header),
        element: (element) => this.#element(element),
        drain: () => owner.room(this),
        closed: (fault) => this.#closed(fault),
      },
    );
    const proven = this.#proven;
    this.#intake = new StanzaIntake(this.xml, context.host, {
      get anyProven() {
        return proven.size > 0;
      },
      isProven: (domain) => proven.has(domain),
      pong: (element) => owner.pong(element),
    });
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
    return this.#secured !== undefined;
  }

  get provenDomains(): ReadonlyMap<string, readonly Evidence[]> {
    return this.#proven;
  }

  /** Earliest end of what proves the domains of this stream, ms since the epoch. */
  get provenUntil(): number {
    const ends = [...this.#proven.values()].flat().map((evidence) => evidence.notAfter ?? Number.POSITIVE_INFINITY);
    return Math.min(Number.POSITIVE_INFINITY, ...ends);
  }

  /** Certificate evidence of the peer for a domain. */
  certificateEvidence(domain: string): Evidence {
    return this.#context.proof.evidence(domain, this.#secured?.chain ?? []);
  }

  get lastStanza(): number {
    return Math.max(this.#intake.lastStanza, this.#lastSent);
  }

  /** The middle has room again for this pair. */
  unblock(pair: string): void {
    this.#intake.unblock(pair);
  }

  /** Carries a stanza of ours, where the stream is bidirectional. */
  send(stanza: Stanza): void {
    if (exceeds(stanza, this.#peerMaxBytes)) {
      this.#context.host.undeliverable(stanza, 'stanza-too-big');
      return;
    }
    this.#lastSent = Date.now();
    if (this.#receipts) this.#receipts.send(stanza);
    else this.xml.send(stanza.bytes);
  }

  get full(): boolean {
    return this.xml.wire.full || this.#receipts?.full === true;
  }

  get open(): boolean {
    return this.xml.open;
  }

  close(fault?: Fault): void {
    this.#receipts?.flush();
    if (fault instanceof StreamFault) this.xml.fail(fault);
    else this.xml.close(fault);
  }

  #header(header: StreamHeader): void {
    if (++this.#headers > 4) throw new StreamFault('policy-violation', 'stream-protocol', 'Too many stream restarts.');
    const from = header.from === '' ? '' : foldDomain(header.from);
    const to = header.to === '' ? '' : foldDomain(header.to);
    this.id = newStreamId();
    const reply = { from: header.to, to: header.from, id: this.id, version: header.version === '' ? '' : '1.0' };
    this.xml.prepareHeader(reply);
    if (to === undefined || from === undefined) throw new StreamFault('improper-addressing', 'address-malformed');
    if (to !== '' && !this.#context.host.isHome(to)) throw new StreamFault('host-unknown', 'domain-not-home');
    if (this.#authenticated !== '' && from !== '' && from !== this.#authenticated) {
      throw new StreamFault('invalid-from', 'sender-not-proven', 'Another domain than the one just authenticated.');
    }
    this.home = to === '' ? this.home : to;
    this.claimed = from === '' ? this.claimed : from;
    this.xml.sendHeader(reply);
    if (header.version !== '') this.xml.send(featuresXml(this.#offers()));
    else if (this.#context.options.tlsRequired && !this.secured) {
      throw new StreamFault('policy-violation', 'tls-unavailable', 'A stream without version can have no TLS.');
    }
    if (this.#authenticated !== '') this.#carry(this.home, this.#authenticated);
  }

  #offers(): string[] {
    const { options, certificates } = this.#context;
    const always = [offer.limits(options.scanner.elementBytes, options.idleMs)];
    if (!this.secured && certificates.contextFor(this.home) !== undefined) {
      const bare = options.tlsRequired ? [] : [offer.dialback, ...always];
      return [offer.starttls(options.tlsRequired), ...bare];
    }
    const bidi = options.bidi ? [offer.bidi] : [];
    if (this.#proven.size > 0) return [offer.dialback, ...always];
    if (this.claimed === '') return [offer.dialback, ...bidi, ...always];
    const { host } = this.#context;
    const certificate = this.certificateEvidence(this.claimed);
    if (host.trust(this.claimed, [certificate]).sufficient) return [offer.external, offer.dialback, ...bidi, ...always];
    const verdict = host.trust(this.claimed, [certificate, prospectiveDialback(this.claimed)]);
    if (verdict.sufficient) return [offer.dialback, ...bidi, ...always];
    const reason = verdict.reason === 'no-partner' || certificate.holds ? verdict.reason : certificate.reason;
    throw new StreamFault(
      reason === 'no-partner' ? 'policy-violation' : 'not-authorized',
      reason,
      reason === 'no-partner' ? undefined : certificate.detail,
      '',
      verdict.place,
    );
  }

  #element(element: ScannedElement): void {
    const { namespace } = element;
    if (namespace === ns.server) {
      this.#intake.take(element);
      return;
    }
    if (namespace === ns.tls && element.name === 'starttls') this.#starttls();
    else if (namespace === ns.sasl) this.#sasl(element);
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
      this.#secured = secured;
      this.#shakingHands = false;
      // RFC 6120 §5.4.3.3: what was said in clear counts for nothing.
      this.claimed = '';
      this.bidi = false;
    });
    this.#shakingHands = true;
    this.xml.restart();
  }

  #sasl(element: ScannedElement): void {
    if (element.name !== 'auth' || !this.secured || this.#authenticated !== '') {
      this.#failSasl(element.name === 'abort' ? 'aborted' : 'malformed-request');
      return;
    }
    const { mechanism, content } = readAuth(element.bytes);
    const evidence = this.certificateEvidence(this.claimed);
    const verdict = this.#context.host.trust(this.claimed, [evidence]);
    if (mechanism !== 'EXTERNAL') this.#failSasl('invalid-mechanism');
    else if (content === undefined) this.#failSasl('incorrect-encoding');
    else if (content !== '' && foldDomain(content) !== this.claimed) this.#failSasl('invalid-authzid');
    else if (this.claimed === '' || !verdict.sufficient) this.#failSasl('not-authorized', evidence, verdict.place);
    else {
      this.#authenticated = this.claimed;
      if (!this.#prove(this.home, this.claimed, [evidence])) return;
      this.xml.send(`<success xmlns='${ns.sasl}'/>`);
      this.xml.restart();
    }
  }

  /** RFC 6120 §6.5; a peer that keeps failing is sent away (§6.4.5). */
  #failSasl(condition: string, evidence?: Evidence, rule?: Place): void {
    this.xml.send(`${SASL_FAILURE}<${condition}/></failure>`);
    this.#context.journal.refuse('stream-refused', evidence?.reason ?? 'stream-protocol', {
      ...this.facts(),
      sasl: condition,
      rule,
    });
    if (++this.#saslFailures >= SASL_TRIES) throw new StreamFault('policy-violation', 'trust-insufficient');
  }

  #dialbackElement(element: ScannedElement): void {
    if (this.#context.options.tlsRequired && !this.secured) {
      throw new StreamFault('policy-violation', 'tls-unavailable', 'Dialback before TLS.');
    }
    this.#dialback.element(element);
  }

  #enableBidi({ bytes }: ScannedElement): void {
    if (!this.#context.options.bidi || this.#proven.size > 0) {
      throw new StreamFault(
        'policy-violation',
        'stream-protocol',
        'Bidirectional streams are agreed before the proof.',
      );
    }
    this.bidi = true;
    this.#peerMaxBytes = readBidiMaxBytes(bytes);
  }

  /** A domain of the peer is proven towards a home domain. False where the partner may have no further stream. */
  #prove(home: string, partner: string, evidence: readonly Evidence[]): boolean {
    if (!this.#proven.has(partner)) {
      if (this.#proven.size >= PROVEN_DOMAINS) return false;
      const { sufficient, reason, place } = this.#context.host.admitStream(partner);
      if (!sufficient) {
        const fault = new StreamFault('resource-constraint', reason, undefined, '', place);
        if (this.#proven.size === 0) this.xml.fail(fault);
        return false;
      }
      this.#proven.set(partner, evidence);
    }
    clearTimeout(this.#deadline);
    this.xml.trusted(this.#context.options.scanner.elementBytes);
    this.#context.journal.note('stream-proven', {
      ...this.facts(),
      partner,
      home,
      evidence: evidence.map(({ proof, holds, reason, detail }) => ({ proof, holds, reason, detail })),
      tls: this.#secured?.version,
      cipher: this.#secured?.cipher,
    });
    return true;
  }

  /** The peer knows that it is proven: only now may stanzas of ours follow (XEP-0288 §3). */
  #carry(home: string, partner: string): void {
    if (!this.bidi || home === '') return;
    this.#receipts ??= this.#owner.fences.raise(this.xml, { home, partner }, () => this.#owner.room(this));
    this.#owner.adopt(home, partner, this);
  }

  facts(): { address: string; partner: string; home: string; direction: 'inbound' } {
    return { address: this.address, partner: this.claimed, home: this.home, direction: 'inbound' };
  }

  #closed(fault: Fault | undefined): void {
    clearTimeout(this.#deadline);
    this.#dialback.close();
    for (const partner of this.#proven.keys()) this.#context.host.releaseStream(partner);
    const why = this.#shakingHands ? new Fault('tls-failed', fault?.message) : fault;
    const over = (left: readonly Stanza[]): void => this.#owner.closed(this, why, left);
    if (this.#receipts) this.#receipts.close(this.xml.readToEnd, over);
    else over([]);
  }
}

/** `<auth/>`: RFC 6120 §6.4.2. Content is the decoded authorization identity, undefined where it is no base64. */
function readAuth(bytes: Buffer): { mechanism: string; content: string | undefined } {
  const text = bytes.toString();
  const mechanism = /\smechanism\s*=\s*['"]([^'"]*)['"]/.exec(text)?.[1] ?? '';
  const encoded = (/>([^<]*)</.exec(text)?.[1] ?? '').trim();
  if (encoded === '' || encoded === '=') return { mechanism, content: '' };
  const decoded = Buffer.from(encoded, 'base64');
  return { mechanism, content: decoded.toString('base64') === encoded ? decoded.toString() : undefined };
}
