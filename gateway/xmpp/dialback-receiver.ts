import { parse } from 'ltx';
import { foldDomain } from '../../policies/address.ts';
import type { Place } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { JournalFields } from '../bridge/journal.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { EdgeContext } from './edge-context.ts';
import { type DialbackOutcome, dialbackEvidence, prospectiveDialback } from './evidence/dialback.ts';
import { ns } from './namespaces.ts';
import type { ProvenDomains } from './proven-domains.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { escapeAttribute } from './xml.ts';
import type { XmlStream } from './xml-stream.ts';

/** The stream that dialback is spoken on, as the receiver sees it. */
export interface DialbackStream {
  readonly xml: XmlStream;
  /** Id that we gave the stream: keys are bound to it. */
  readonly id: string;
  readonly proven: Pick<ProvenDomains, 'size' | 'certificateFor'>;
  facts(): JournalFields;
  close(): void;
}

/** What the receiver asks of its stream and its edge. */
export interface DialbackReceiverOwner {
  verify(home: string, partner: string, streamId: string, key: string): Promise<DialbackOutcome>;
  /** Takes the pair as proven; false where it could not be. */
  prove(home: string, partner: string, evidence: readonly Evidence[]): boolean;
  /** The peer has been told so. */
  told(home: string, partner: string): void;
}

/** Questions to authoritative servers under way for one stream: each is a connection we make at a stranger's word. */
const PENDING = 16;
/** Refused keys after which a stream is sent away. */
const FAILURES = 5;
/** Answers given as authoritative server on a stream that has proven nothing. */
const UNPROVEN_ANSWERS = 200;

/** XEP-0220 §2.5: what the initiating server is told when a question came to nothing. */
const errorFor: Partial<Record<ReasonCode, string>> = {
  'domain-not-home': 'item-not-found',
  'remote-unreachable': 'remote-connection-failed',
  'remote-not-found': 'remote-server-not-found',
  'dns-not-found': 'remote-server-not-found',
  'dns-service-refused': 'remote-server-not-found',
  'connections-full': 'resource-constraint',
  'dialback-unreachable': 'remote-server-timeout',
  'stream-timeout': 'remote-server-timeout',
};

/**
 * Dialback on a stream opened to us: as receiving server it lets keys be verified (XEP-0220 §2.1.2), as authoritative
 * server it answers for ours (§2.1.3). Any number of pairs may be proven on one stream (§2.7).
 */
export class DialbackReceiver {
  readonly #context: EdgeContext;
  readonly #stream: DialbackStream;
  readonly #owner: DialbackReceiverOwner;
  readonly #pending = new Set<string>();
  /** Pairs found valid here: domains proven on the stream, times ours. */
  readonly #valid = new Set<string>();
  #failures = 0;
  #answers = 0;
  #closed = false;

  constructor(context: EdgeContext, stream: DialbackStream, owner: DialbackReceiverOwner) {
    this.#context = context;
    this.#stream = stream;
    this.#owner = owner;
  }

  close(): void {
    this.#closed = true;
  }

  /** Takes one element of the dialback namespace. Throws {@link StreamFault}. */
  element(element: ScannedElement): void {
    const { from, to, name } = element;
    if (element.type !== '') {
      // We ask nothing on streams that others opened, so nothing can be answered here: the hole closed in 2012.
      this.#context.journal.refuse('dialback-refused', 'dialback-unsolicited', { ...this.#stream.facts(), from, to });
      return;
    }
    const partner = foldDomain(from);
    const home = foldDomain(to);
    if (partner === undefined || home === undefined || partner.length === 0 || home.length === 0) {
      throw new StreamFault('improper-addressing', 'address-malformed');
    }
    if (name === 'result') this.#result(home, partner, element);
    else if (name === 'verify') this.#verify(home, partner, element);
    else throw new StreamFault('unsupported-stanza-type', 'stream-protocol');
  }

  /** §2.1.1 step 1: a peer says that it may speak for a domain. */
  #result(home: string, partner: string, { from, to, bytes }: ScannedElement): void {
    const refuse = (reason: ReasonCode, condition: string, detail = '', rule?: Place): void => {
      this.#send('result', to, from, '', 'error', condition);
      this.#note(reason, home, partner, detail, rule);
      if (++this.#failures >= FAILURES) throw new StreamFault('policy-violation', reason, undefined, '', rule);
    };
    if (!this.#context.host.isHome(home)) {
      refuse('domain-not-home', 'item-not-found');
      return;
    }
    // Asked again, an answer that was given costs neither a look at certificates nor a question to others.
    if (this.#valid.has(`${home} ${partner}`)) {
      this.#send('result', to, from, '', 'valid');
      return;
    }
    const certificate = this.#stream.proven.certificateFor(partner);
    const { host } = this.#context;
    // XEP-0344: a certificate that suffices needs no question; this is how domains are added to an EXTERNAL stream.
    if (host.trust(partner, [certificate]).sufficient) {
      this.#accept(home, partner, { from, to, evidence: [certificate] });
      return;
    }
    const prospect = host.trust(partner, [certificate, prospectiveDialback(partner)]);
    if (!prospect.sufficient) {
      const vain = prospect.reason !== 'trust-insufficient' || certificate.holds;
      refuse(vain ? prospect.reason : certificate.reason, 'not-authorized', certificate.detail, prospect.place);
      return;
    }
    const pair = `${home} ${partner}`;
    if (this.#pending.size >= PENDING || this.#pending.has(pair)) {
      refuse('connections-full', 'resource-constraint');
      return;
    }
    this.#pending.add(pair);
    void this.#ask(home, partner, { from, to, key: textOf(bytes), certificate });
  }

  async #ask(
    home: string,
    partner: string,
    { from, to, key, certificate }: { from: string; to: string; key: string; certificate: Evidence },
  ): Promise<void> {
    const outcome = await this.#owner.verify(home, partner, this.#stream.id, key);
    this.#pending.delete(`${home} ${partner}`);
    if (this.#closed || !this.#stream.xml.open) return;
    const evidence = [certificate, dialbackEvidence(partner, outcome)];
    // The policy may have changed while we asked.
    const verdict = this.#context.host.trust(partner, evidence);
    if (outcome === 'valid' && verdict.sufficient) {
      this.#accept(home, partner, { from, to, evidence });
      return;
    }
    const reason = outcome === 'valid' ? verdict.reason : outcome === 'invalid' ? 'dialback-invalid' : outcome;
    this.#note(reason, home, partner, '', verdict.place);
    if (outcome !== 'invalid') {
      this.#send('result', to, from, '', 'error', errorFor[reason] ?? 'remote-server-timeout');
    } else if (this.#stream.proven.size > 0) {
      this.#send('result', to, from, '', 'error', 'forbidden');
    } else {
      // §2.1.2: with no other valid pair the stream must be closed.
      this.#send('result', to, from, '', 'invalid');
      this.#stream.close();
    }
  }

  #accept(
    home: string,
    partner: string,
    { from, to, evidence }: { from: string; to: string; evidence: readonly Evidence[] },
  ): void {
    if (!this.#owner.prove(home, partner, evidence)) {
      this.#send('result', to, from, '', 'error', 'resource-constraint');
      this.#note('connections-full', home, partner, '');
      return;
    }
    this.#valid.add(`${home} ${partner}`);
    this.#send('result', to, from, '', 'valid');
    this.#owner.told(home, partner);
  }

  /** §2.1.3: somebody asks whether a key is ours. */
  #verify(home: string, partner: string, { from, to, id, bytes }: ScannedElement): void {
    if (this.#stream.proven.size === 0 && ++this.#answers > UNPROVEN_ANSWERS) {
      throw new StreamFault('policy-violation', 'stream-protocol', 'Too many keys to verify on one stream.');
    }
    if (!this.#context.host.isHome(home)) {
      this.#send('verify', to, from, id, 'error', 'item-not-found');
      return;
    }
    const valid = this.#context.keys.verify(textOf(bytes), partner, home, id);
    this.#send('verify', to, from, id, valid ? 'valid' : 'invalid');
    if (!valid) this.#note('dialback-invalid', home, partner, 'Asked to confirm a key that is not ours.');
  }

  #send(name: 'result' | 'verify', from: string, to: string, id: string, type: string, condition = ''): void {
    const identity = id === '' ? '' : ` id='${escapeAttribute(id)}'`;
    const open = `<db:${name} from='${escapeAttribute(from)}' to='${escapeAttribute(to)}'${identity} type='${type}'`;
    const error = `<error type='cancel'><${condition} xmlns='${ns.stanzaErrors}'/></error>`;
    this.#stream.xml.answer(condition === '' ? `${open}/>` : `${open}>${error}</db:${name}>`);
  }

  #note(reason: ReasonCode, home: string, partner: string, detail: string, rule?: Place): void {
    this.#context.journal.refuse('dialback-refused', reason, { ...this.#stream.facts(), home, partner, detail, rule });
  }
}

/** The character data of an element without children. */
function textOf(bytes: Buffer): string {
  return parse(bytes.toString()).getText().trim();
}
