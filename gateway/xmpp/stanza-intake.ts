import type { EdgeHost } from '../bridge/ports.ts';
import type { StanzaName } from '../bridge/stanza.ts';
import { DomainReader } from './domain-reader.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import type { XmlStream } from './xml-stream.ts';

/** What the intake asks of the stream it serves. */
export interface IntakeOwner {
  /** Whether anything is proven on this stream, and whether this domain is. */
  readonly anyProven: boolean;
  isProven(domain: string): boolean;
  /** An answer to a liveness probe of ours; true where it was one. */
  pong(element: ScannedElement): boolean;
}

/**
 * Takes the stanzas of one stream to the middle: every one comes from a domain proven on the stream and goes to a
 * domain of ours (RFC 6120 §8.1). Reading stops while the middle has no room.
 */
export class StanzaIntake {
  /** ms since the epoch. */
  lastStanza = Date.now();
  readonly #xml: XmlStream;
  readonly #host: EdgeHost;
  readonly #owner: IntakeOwner;
  readonly #domains = new DomainReader();
  readonly #blockedFor = new Set<string>();

  constructor(xml: XmlStream, host: EdgeHost, owner: IntakeOwner) {
    this.#xml = xml;
    this.#host = host;
    this.#owner = owner;
  }

  /** Throws {@link StreamFault} where the stanza ends its stream. */
  take(element: ScannedElement): void {
    const { name } = element;
    if (name !== 'message' && name !== 'presence' && name !== 'iq') {
      throw new StreamFault('unsupported-stanza-type', 'stanza-malformed', `<${name}/> is no stanza.`);
    }
    if (!this.#owner.anyProven) throw new StreamFault('not-authorized', 'stanza-before-proof');
    const partner = this.#domains.of(element.from);
    const home = this.#domains.of(element.to);
    if (partner === undefined || home === undefined) throw new StreamFault('improper-addressing', 'address-malformed');
    if (!this.#owner.isProven(partner)) {
      throw new StreamFault('invalid-from', 'sender-not-proven', `A stanza came from ${partner}.`);
    }
    if (!this.#host.isHome(home)) throw new StreamFault('host-unknown', 'domain-not-home', `A stanza went to ${home}.`);
    this.lastStanza = this.#xml.lastRead;
    if (name === 'iq' && this.#owner.pong(element)) return;
    if (!this.#host.inbound(partner, home, { ...element, name: name as StanzaName })) {
      this.#blockedFor.add(`${home} ${partner}`);
      this.#xml.wire.pause();
    }
  }

  /** The middle has room again for this pair (`home partner`). */
  unblock(pair: string): void {
    if (this.#blockedFor.delete(pair) && this.#blockedFor.size === 0) this.#xml.wire.resume();
  }
}
