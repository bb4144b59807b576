import type { Fault } from '../../policies/fault.ts';
import type { EdgeHost } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { exceeds } from './features.ts';
import { type Left, nothingLeft, type Receipts } from './receipts.ts';
import { StreamFault } from './stream-error.ts';
import type { XmlStream } from './xml-stream.ts';

/** Takes our stanzas to the peer of one stream, where it has receipts through them. */
export class StanzaOutlet {
  /** The longest stanza that the peer takes, bytes; 0 where it names no limit (XEP-0478). */
  maxBytes = 0;
  receipts: Receipts | undefined;
  /** ms since the epoch, 0 before the first. */
  lastStanza = 0;
  readonly #xml: XmlStream;
  readonly #host: EdgeHost;

  constructor(xml: XmlStream, host: EdgeHost) {
    this.#xml = xml;
    this.#host = host;
  }

  get full(): boolean {
    return this.#xml.wire.full || this.receipts?.full === true;
  }

  /** A stanza that the peer would not take comes back instead: it would cost us the stream. */
  send(stanza: Stanza): void {
    if (exceeds(stanza, this.maxBytes)) {
      this.#host.undeliverable(stanza, 'stanza-too-big');
      return;
    }
    this.lastStanza = Date.now();
    if (this.receipts) this.receipts.send(stanza);
    else {
      this.#xml.send(stanza.bytes);
      if (stanza.kept !== undefined) this.#host.delivered(stanza);
    }
  }

  /** Closes the stream behind all that was sent; a peer that answers a graceful close has read it (RFC 6120 §4.4). */
  close(fault?: Fault): void {
    this.receipts?.flush();
    if (fault instanceof StreamFault) this.#xml.fail(fault);
    else this.#xml.close(fault);
  }

  /** The stream is gone: `settled` is told, now or soon, what the peer has not taken. */
  ended(settled: (left: Left) => void): void {
    if (this.receipts) this.receipts.close(this.#xml.readToEnd, settled);
    else settled(nothingLeft);
  }
}
