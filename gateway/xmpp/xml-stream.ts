import type { Socket } from 'node:net';
import { Fault } from '../../policies/fault.ts';
import { ns } from './namespaces.ts';
import { Scanner, type ScannerLimits } from './scanner.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { PeerStreamFault, StreamFault, streamErrorXml } from './stream-error.ts';
import { Wire } from './wire.ts';
import { escapeAttribute } from './xml.ts';

export interface XmlStreamEvents {
  header(header: StreamHeader): void;
  element(element: ScannedElement): void;
  drain(): void;
  /** The closing tag is about to be written: `then` writes it, behind what is still to be said. At once where absent. */
  closing?(then: () => void): void;
  /** The stream is over, once: `undefined` after a graceful close, else why. */
  closed(fault: Fault | undefined): void;
}

export interface XmlStreamOptions {
  readonly contentNamespace: string;
  /** Until the peer is proven, see {@link XmlStream.trusted}. */
  readonly limits: ScannerLimits;
  /** Bytes read in all until the peer is proven; without it, as many as come. */
  readonly allowance?: number;
}

/** Attributes of an opening tag to write; those absent or '' are left out. */
export interface HeaderToSend {
  readonly to?: string;
  readonly from?: string;
  readonly id?: string;
  readonly version?: string;
}

/** How long a peer may leave our bytes unread before it counts as gone, ms: longer than any honest hiccup. */
const STALL_MS = 60_000;
/** How long to wait for the peer's closing tag, ms (Prosody waits 5 s too). */
export const CLOSE_MS = 5_000;
const FOOTER = '</stream:stream>';
/** Answers a peer may leave unread behind a full connection, bytes: some thousand acknowledgements. */
const UNREAD_ANSWERS = 256 * 1024;

/** One XML stream over one connection: headers, elements, stream errors, and the closing of both halves (RFC 6120 §4). */
export class XmlStream {
  readonly wire: Wire;
  /** ms since the epoch of the last byte read, for liveness. */
  lastRead = Date.now();
  lastWrite = Date.now();
  /** Bytes read since the stream began, all restarts included. */
  bytesRead = 0;
  readonly #events: XmlStreamEvents;
  readonly #options: XmlStreamOptions;
  readonly #scanner: Scanner;
  #allowance: number;
  /** Bytes of answers written since the peer last kept up. */
  #unreadAnswers = 0;
  #headerSent = false;
  #headerToSend: HeaderToSend = {};
  /** The closing tag is written, or about to be. */
  #closing = false;
  #footerSent = false;
  #footerSeen = false;
  #peerClosedFirst = false;
  #peerFailed = false;
  #readToEnd = false;
  #fault: Fault | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: XmlStreamOptions, events: XmlStreamEvents) {
    this.#events = events;
    this.#options = options;
    this.#allowance = options.allowance ?? Number.POSITIVE_INFINITY;
    this.#scanner = new Scanner(
      {
        header: (header) => this.#events.header(header),
        element: (element) => this.#element(element),
        footer: () => this.#footer(),
      },
      options.limits,
      options.contentNamespace,
    );
    this.wire = new Wire(
      socket,
      {
        data: (chunk) => this.#data(chunk),
        drain: () => this.#events.drain(),
        closed: (error) => this.#closed(error),
      },
      STALL_MS,
    );
  }

  /** Whether the peer answered our closing tag with its own: it has read all that came before (RFC 6120 §4.4). */
  get readToEnd(): boolean {
    return this.#readToEnd;
  }

  /** Whether the peer closed in good order (RFC 6120 §4.4) before we did. */
  get peerClosedFirst(): boolean {
    return this.#peerClosedFirst && !this.#peerFailed;
  }

  /** Whether the connection is gone and neither side has closed the stream. */
  get broken(): boolean {
    return this.wire.closed && !this.#closing && !this.#footerSeen;
  }

  /** Whether anything may still be written. */
  get open(): boolean {
    return !this.#closing && !this.#footerSent && !this.wire.closed;
  }

  /** The peer is proven: elements may be of this many bytes, and as many may come as will. */
  trusted(elementBytes: number): void {
    this.#scanner.elementBytes = elementBytes;
    this.#allowance = Number.POSITIVE_INFINITY;
  }

  /** What {@link fail} would open the stream with, should it come to that before the header is sent. */
  prepareHeader(header: HeaderToSend): void {
    this.#headerToSend = header;
  }

  sendHeader(header: HeaderToSend): void {
    this.#headerSent = true;
    const attributes = Object.entries(header)
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => ` ${name}='${escapeAttribute(String(value))}'`);
    const dialback = this.#options.contentNamespace === ns.server ? ` xmlns:db='${ns.dialback}'` : '';
    this.send(
      `<?xml version='1.0'?><stream:stream xmlns='${this.#options.contentNamespace}' xmlns:stream='${ns.streams}'` +
        `${dialback}${attributes.join('')} xml:lang='en'>`,
    );
  }

  send(data: Buffer | string): void {
    if (this.#footerSent) return;
    this.lastWrite = Date.now();
    this.wire.write(data);
  }

  /**
   * Answers what the peer asks of the stream itself, which no queue bounds. One that goes on asking and does not read
   * the answers is sent away, so that they do not pile up here.
   */
  answer(xml: string): void {
    this.#unreadAnswers = this.wire.full ? this.#unreadAnswers + xml.length : 0;
    if (this.#unreadAnswers > UNREAD_ANSWERS) {
      this.fail(new StreamFault('policy-violation', 'stream-protocol', 'The peer asks and does not read the answers.'));
    }
    this.send(xml);
  }

  /** The next thing read is a new header; the next thing written is one too. */
  restart(): void {
    this.#headerSent = false;
    this.#scanner.restart();
  }

  /** Stops scanning at this element: TLS begins behind it. */
  stopScanning(): void {
    this.#scanner.stop();
  }

  /**
   * RFC 6120 §5.4.3.3: whatever came in clear behind the STARTTLS exchange was put there by somebody else. `spaceToo`:
   * as §5.3.1 has it, and not where some of the peers are known to end every line. Throws {@link StreamFault}.
   */
  refuseInjection(spaceToo = true): void {
    const injected = spaceToo ? this.#scanner.unconsumed > 0 : this.#scanner.injected;
    if (injected || this.wire.socket.readableLength > 0) {
      throw new StreamFault('policy-violation', 'starttls-injection');
    }
  }

  /** Ends the stream with a stream error, RFC 6120 §4.9. */
  fail(fault: StreamFault): void {
    if (this.#closing || this.#footerSent) return;
    this.#fault ??= fault;
    this.#end(() => {
      if (!this.#headerSent) this.sendHeader(this.#headerToSend);
      this.send(streamErrorXml(fault.condition, '', fault.extra));
    });
  }

  /** Flushes and closes gracefully, RFC 6120 §4.4; `fault` is what {@link XmlStreamEvents.closed} will be told. */
  close(fault?: Fault): void {
    if (this.#closing || this.#footerSent) return;
    this.#fault ??= fault;
    if (this.#headerSent) this.#end(() => undefined);
    else this.destroy(fault);
  }

  /** Drops the connection without a word: TLS failed, or the peer is gone. */
  destroy(fault?: Fault): void {
    this.#fault ??= fault;
    this.#footerSent = true;
    this.wire.destroy();
  }

  #data(chunk: Buffer): void {
    this.lastRead = Date.now();
    this.bytesRead += chunk.length;
    if (this.#footerSeen) return;
    try {
      if (this.bytesRead > this.#allowance) {
        throw new StreamFault('policy-violation', 'stanza-too-big', 'Too much was sent before the proof.');
      }
      this.#scanner.push(chunk);
    } catch (error) {
      // A spent scanner reads no further: what follows an error is noise until the peer closes.
      this.#footerSeen = true;
      this.fail(
        error instanceof StreamFault
          ? error
          : new StreamFault(
              'internal-server-error',
              'internal',
              error instanceof Error ? error.message : String(error),
            ),
      );
    }
  }

  #element(element: ScannedElement): void {
    if (element.namespace !== ns.streams || element.name !== 'error') {
      // Behind our own closing tag the peer may still send until it sees it: only an error ends the reading at once.
      if (!(this.#fault instanceof StreamFault)) this.#events.element(element);
      return;
    }
    this.#peerFailed = true;
    this.#fault ??= new PeerStreamFault(element.childName);
    this.close();
  }

  #footer(): void {
    this.#footerSeen = true;
    this.#peerClosedFirst = !this.#closing;
    this.#readToEnd = this.#footerSent && !this.#peerFailed;
    if (this.#footerSent) this.wire.end();
    else this.close();
  }

  /** Closes our half behind its `last` words. */
  #end(last: () => void): void {
    this.#closing = true;
    this.#closeTimer ??= setTimeout(() => this.wire.destroy(), CLOSE_MS);
    const then = (): void => {
      if (this.#footerSent || this.wire.closed) return;
      last();
      this.send(FOOTER);
      this.#footerSent = true;
      this.wire.flush();
      // A peer that was told of an error owes us no closing tag; its own close ends it sooner.
      if (this.#footerSeen || this.#fault instanceof StreamFault) this.wire.end();
      if (this.wire.paused) this.wire.resume();
    };
    if (this.#events.closing) this.#events.closing(then);
    else then();
  }

  #closed(error: Error | undefined): void {
    clearTimeout(this.#closeTimer);
    this.#footerSent = true;
    const broken =
      error ?? (this.#footerSeen || this.#fault ? undefined : new Error('The connection ended without a closing tag.'));
    this.#events.closed(this.#fault ?? (broken && new Fault('stream-error', broken.message, { cause: broken })));
  }
}
