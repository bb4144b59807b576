import { wireDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import type { Evidence } from '../bridge/ports.ts';
import { DialbackInitiator } from './dialback-initiator.ts';
import type { EdgeContext } from './edge-context.ts';
import { dialbackEvidence } from './evidence/dialback.ts';
import { noFeatures, offer, type PeerFeatures, readFeatures } from './features.ts';
import { Inbox } from './inbox.ts';
import { ns } from './namespaces.ts';
import type { ProvenDomains } from './proven-domains.ts';
import type { SessionCache } from './session-cache.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import type { Resumption } from './stream-management-initiator.ts';
import { secureAsClient } from './tls.ts';
import type { HeaderToSend, XmlStream } from './xml-stream.ts';

export interface Target {
  readonly home: string;
  readonly partner: string;
  readonly tls: 'direct' | 'starttls';
  /** `traffic` proves us to the peer; `verify` only asks about a dialback key. */
  readonly purpose: 'traffic' | 'verify';
  /** Whether the peer may send stanzas on it too (XEP-0288). */
  readonly bidi: boolean;
  /** The session of a broken stream that this one is to take up (XEP-0198 §5). */
  readonly resumption?: Resumption | undefined;
}

/** Negotiates one stream that we open, up to the point where both sides know each other: TLS, then EXTERNAL or dialback. */
export class OutgoingNegotiation {
  features: PeerFeatures = noFeatures;
  /** Whether stanzas may flow back on this stream (XEP-0288). */
  bidi = false;
  readonly inbox = new Inbox();
  readonly dialback: DialbackInitiator;
  readonly #context: EdgeContext;
  readonly #xml: XmlStream;
  readonly #target: Target;
  readonly #proven: ProvenDomains;
  readonly #sessions: SessionCache;
  #peer: StreamHeader | undefined;

  constructor(context: EdgeContext, xml: XmlStream, target: Target, proven: ProvenDomains, sessions: SessionCache) {
    this.#context = context;
    this.#xml = xml;
    this.#target = target;
    this.#proven = proven;
    this.#sessions = sessions;
    this.dialback = new DialbackInitiator(context, xml, () => this.#peer?.id ?? '');
    xml.prepareHeader(this.#header());
  }

  /** Resolves when stanzas may flow, or keys may be verified. Rejects with a {@link Fault}. */
  async run(): Promise<void> {
    const { options } = this.#context;
    const { home, partner, purpose } = this.#target;
    if (this.#target.tls === 'direct') await this.#secure(true);
    let features = await this.#openStream();
    // RFC 7590 §3.1: an attacker may strip the offer, so TLS is tried where it is demanded and not offered.
    if (!this.#proven.tls && (features.starttls || options.tlsRequired)) {
      await this.#starttls();
      features = await this.#openStream();
    }
    this.#proven.add(partner, this.judge(partner));
    this.#xml.trusted(options.scanner.elementBytes);
    if (purpose === 'verify') return;
    if (this.#target.bidi && features.bidi) {
      this.#xml.send(`<bidi xmlns='${ns.bidi}'>${offer.limits(options.scanner.elementBytes, options.idleMs)}</bidi>`);
      this.bidi = true;
    }
    if (await this.#external(features)) return;
    if (!features.dialback && !this.#peer?.dialback) {
      throw new Fault('trust-insufficient', 'The peer accepts neither our certificate nor dialback.');
    }
    await this.dialback.authorize(home, partner, options.authTimeoutMs);
  }

  /** Takes an element that belongs to the negotiation. */
  element(element: ScannedElement): void {
    // TLS begins right behind this element; no later byte of it may be read as XML.
    if (element.namespace === ns.tls && element.name === 'proceed') this.#xml.stopScanning();
    this.inbox.put(element);
  }

  /**
   * RFC 6120 §13.7.2: who answered? Its certificate says, or, where policy is content with dialback, DNS did.
   * Throws a {@link Fault} where neither suffices.
   */
  judge(domain: string): readonly Evidence[] {
    const { host } = this.#context;
    const certificate = this.#proven.certificateFor(domain);
    if (host.trust(domain, [certificate]).sufficient) return [certificate];
    const evidence = [certificate, dialbackEvidence(domain, 'valid', 'DNS named this server.')];
    const verdict = host.trust(domain, evidence);
    if (verdict.sufficient) return evidence;
    const reason = certificate.holds || verdict.reason !== 'trust-insufficient' ? verdict.reason : certificate.reason;
    throw new Fault(reason, certificate.detail, { place: verdict.place });
  }

  /** The stream has ended, and whoever waits is told. */
  close(fault: Fault): void {
    this.inbox.fail(fault);
    this.dialback.close(fault);
  }

  /** Opens or restarts the stream and waits for the peer's header and features. */
  async #openStream(): Promise<PeerFeatures> {
    this.#xml.sendHeader(this.#header());
    const header = await this.inbox.header();
    if (header.id === '') throw new StreamFault('bad-format', 'stream-protocol', 'The peer gave its stream no id.');
    this.#peer = header;
    // RFC 6120 §4.7.5: a peer without version sends no features.
    this.features =
      header.version === '' ? noFeatures : readFeatures((await this.inbox.element(ns.streams, 'features')).bytes);
    return this.features;
  }

  #header(): HeaderToSend {
    return { from: wireDomain(this.#target.home), to: wireDomain(this.#target.partner), version: '1.0' };
  }

  async #starttls(): Promise<void> {
    this.#xml.send(`<starttls xmlns='${ns.tls}'/>`);
    const answer = await this.inbox.element(ns.tls);
    if (answer.name !== 'proceed') throw new Fault('tls-unavailable', 'The peer refused STARTTLS.');
    this.#xml.refuseInjection();
    await this.#secure(false);
  }

  async #secure(direct: boolean): Promise<void> {
    const { certificates, proof } = this.#context;
    const { home, partner } = this.#target;
    const context = certificates.contextFor(home);
    if (context === undefined) throw new Fault('certificate-unusable', `No certificate is configured for ${home}.`);
    const key = `${home} ${certificates.fingerprintFor(home)} ${partner}`;
    const known = this.#sessions.get(key);
    this.#proven.tls = await secureAsClient(this.#xml, {
      context,
      serverName: partner,
      direct,
      // Only while what it was made with still proves the partner: a renewed certificate shows in a full handshake.
      session: known && proof.evidence(partner, known.chain).holds ? known : undefined,
      onSession: (session) => this.#sessions.put(key, session),
    });
    this.#xml.restart();
  }

  /** SASL EXTERNAL, XEP-0178 §3: false where it is not offered or refused, and dialback may be tried. */
  async #external(features: PeerFeatures): Promise<boolean> {
    const { home, partner } = this.#target;
    if (!features.external || !this.#context.certificates.covers(home)) return false;
    const identity = Buffer.from(wireDomain(home)).toString('base64');
    this.#xml.send(`<auth xmlns='${ns.sasl}' mechanism='EXTERNAL'>${identity}</auth>`);
    const answer = await this.inbox.element(ns.sasl);
    if (answer.name !== 'success') {
      this.#context.journal.refuse('stream-refused', 'trust-insufficient', {
        address: this.#xml.wire.remoteAddress,
        partner,
        home,
        direction: 'outbound',
        detail: `The peer refused our certificate: ${answer.childName || answer.name}.`,
      });
      return false;
    }
    this.#xml.restart();
    await this.#openStream();
    return true;
  }
}
