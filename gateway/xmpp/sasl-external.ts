import { foldDomain } from '../../policies/address.ts';
import type { Place } from '../../policies/fault.ts';
import type { JournalFields } from '../bridge/journal.ts';
import type { Evidence } from '../bridge/ports.ts';
import type { EdgeContext } from './edge-context.ts';
import { ns } from './namespaces.ts';
import type { ProvenDomains } from './proven-domains.ts';
import type { ScannedElement } from './start-tag.ts';
import { textOf } from './start-tag-bytes.ts';
import { StreamFault } from './stream-error.ts';
import type { XmlStream } from './xml-stream.ts';

/** The stream that authenticates, as SASL sees it. */
export interface SaslStream {
  readonly xml: XmlStream;
  /** The domain the peer says it is, '' where it has not said. */
  readonly claimed: string;
  readonly proven: Pick<ProvenDomains, 'tls' | 'certificateFor'>;
  facts(): JournalFields;
}

/** RFC 6120 §6.4.5 allows two to five tries. */
const TRIES = 3;

/** SASL EXTERNAL on a stream opened to us (RFC 6120 §6, XEP-0178 §3): the certificate proves the claimed domain. */
export class SaslExternal {
  readonly #context: EdgeContext;
  readonly #stream: SaslStream;
  readonly #prove: (partner: string, evidence: readonly Evidence[]) => boolean;
  #authenticated = '';
  #failures = 0;

  /** `prove` takes the domain as proven; false where it could not be, and the stream has been ended. */
  constructor(
    context: EdgeContext,
    stream: SaslStream,
    prove: (partner: string, evidence: readonly Evidence[]) => boolean,
  ) {
    this.#context = context;
    this.#stream = stream;
    this.#prove = prove;
  }

  /** The domain that was authenticated, '' before. */
  get authenticated(): string {
    return this.#authenticated;
  }

  /** Takes one element of the SASL namespace. Throws {@link StreamFault} where the peer has failed too often. */
  element(element: ScannedElement): void {
    const { claimed, proven, xml } = this.#stream;
    if (element.name !== 'auth' || proven.tls === undefined || this.#authenticated !== '') {
      this.#fail(element.name === 'abort' ? 'aborted' : 'malformed-request');
      return;
    }
    const { mechanism, content } = readAuth(element.bytes);
    const evidence = proven.certificateFor(claimed);
    const verdict = this.#context.host.trust(claimed, [evidence]);
    if (mechanism !== 'EXTERNAL') this.#fail('invalid-mechanism');
    else if (content === undefined) this.#fail('incorrect-encoding');
    else if (content !== '' && foldDomain(content) !== claimed) this.#fail('invalid-authzid');
    else if (claimed === '' || !verdict.sufficient) this.#fail('not-authorized', evidence, verdict.place);
    else {
      this.#authenticated = claimed;
      if (!this.#prove(claimed, [evidence])) return;
      xml.send(`<success xmlns='${ns.sasl}'/>`);
      xml.restart();
    }
  }

  /** RFC 6120 §6.5; a peer that keeps failing is sent away (§6.4.5). */
  #fail(condition: string, evidence?: Evidence, rule?: Place): void {
    this.#stream.xml.send(`<failure xmlns='${ns.sasl}'><${condition}/></failure>`);
    this.#context.journal.refuse('stream-refused', evidence?.reason ?? 'stream-protocol', {
      ...this.#stream.facts(),
      sasl: condition,
      rule,
    });
    if (++this.#failures >= TRIES) throw new StreamFault('policy-violation', 'trust-insufficient');
  }
}

/** `<auth/>`: RFC 6120 §6.4.2. Content is the decoded authorization identity, undefined where it is no base64. */
function readAuth(bytes: Buffer): { mechanism: string; content: string | undefined } {
  const mechanism = /\smechanism\s*=\s*['"]([^'"]*)['"]/.exec(bytes.toString())?.[1] ?? '';
  const encoded = textOf(bytes).trim();
  if (encoded === '' || encoded === '=') return { mechanism, content: '' };
  const decoded = Buffer.from(encoded, 'base64');
  return { mechanism, content: decoded.toString('base64') === encoded ? decoded.toString() : undefined };
}
