import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { Fault } from '../../../policies/fault.ts';
import { UNPROVEN_ELEMENT_BYTES } from '../../xmpp/edge-context.ts';
import { ns } from '../../xmpp/namespaces.ts';
import { Scanner, type ScannerLimits } from '../../xmpp/scanner.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import { endOfName } from '../../xmpp/start-tag-bytes.ts';
import { PeerStreamFault, StreamFault, streamErrorXml } from '../../xmpp/stream-error.ts';
import { escapeAttribute } from '../../xmpp/xml.ts';
import { CLOSE_MS } from '../../xmpp/xml-stream.ts';
import type { ChannelBindings } from './channel-binding.ts';
import { clientNs } from './client-namespaces.ts';
import type { Answer, ClientTransport, ClientTransportEvents } from './client-transport.ts';

export interface WebSocketTransportOptions {
  /** Of an authenticated client. */
  readonly scanner: ScannerLimits;
  /** Bytes read in all until the client is authenticated. */
  readonly unprovenBytes: number;
  readonly secured: boolean;
  readonly bindings: ChannelBindings;
  /** The client's, '' where it is not known. */
  readonly address: string;
}

/** Bytes waiting to be written above which a sender should stop, as on TCP. */
const FULL_BYTES = 256 * 1024;
/** How long a client may leave our bytes unread before it counts as gone, ms: as on TCP. */
const STALL_MS = 60_000;
/** Answers that a client may leave unread behind a full connection, bytes: as on TCP. */
const UNREAD_ANSWERS = 256 * 1024;
const NORMAL = 1000;
const XMLNS = Buffer.from(` xmlns='${clientNs.client}'`);
/** Every frame stands for itself: to the scanner it is an element of a stream that this opens. */
const header = (lang: string): Buffer =>
  Buffer.from(
    `<s:stream xmlns='${clientNs.client}' xmlns:s='${ns.streams}'${lang && ` xml:lang='${escapeAttribute(lang)}'`}>`,
  );

/** A client's stream over WebSocket: one element a frame, RFC 7395. */
export class WebSocketTransport implements ClientTransport {
  readonly kind = 'websocket';
  readonly canStartTls = false;
  readonly address: string;
  readonly secured: boolean;
  readonly bindings: ChannelBindings;
  lastRead = Date.now();
  readonly #webSocket: WebSocket;
  readonly #events: ClientTransportEvents;
  readonly #options: WebSocketTransportOptions;
  readonly #scanner: Scanner;
  #allowance: number;
  #elements = 0;
  #lang: string | undefined;
  #sent = 0;
  #unreadAnswers = 0;
  #answered = false;
  #toAnswer: Answer = { from: '', to: '', id: '' };
  #closeSent = false;
  #closeSeen = false;
  #over = false;
  #fault: Fault | undefined;
  #stall: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  /** `socket` lies under the web socket. */
  constructor(webSocket: WebSocket, socket: Socket, options: WebSocketTransportOptions, events: ClientTransportEvents) {
    this.address = options.address;
    this.secured = options.secured;
    this.bindings = options.bindings;
    this.#webSocket = webSocket;
    this.#events = events;
    this.#options = options;
    this.#allowance = options.unprovenBytes;
    this.#scanner = new Scanner(
      { header: () => undefined, element: (element) => this.#element(element), footer: () => undefined },
      { ...options.scanner, elementBytes: UNPROVEN_ELEMENT_BYTES },
      clientNs.client,
    );
    this.#scanner.push(header(''));
    socket.on('data', (chunk: Buffer) => this.#count(chunk.length));
    socket.on('drain', () => this.#events.drain());
    webSocket.on('message', (data, binary) => this.#frame(data, binary));
    webSocket.on('error', (error) => {
      this.#fault ??= new Fault('stream-error', error.message, { cause: error });
    });
    webSocket.on('close', () => this.#closed());
  }

  get open(): boolean {
    return !this.#closeSent && !this.#over;
  }

  get full(): boolean {
    return this.#webSocket.bufferedAmount > FULL_BYTES;
  }

  prepare(answer: Answer): void {
    this.#toAnswer = answer;
  }

  answer(answer: Answer): void {
    this.#answered = true;
    const attributes = Object.entries({ ...answer, version: '1.0' })
      .filter(([, value]) => value !== '')
      .map(([name, value]) => ` ${name}='${escapeAttribute(value)}'`);
    this.send(`<open xmlns='${clientNs.framing}'${attributes.join('')} xml:lang='en'/>`);
  }

  features(children: readonly string[]): void {
    this.send(`<stream:features xmlns:stream='${ns.streams}'>${children.join('')}</stream:features>`);
  }

  stanza(bytes: Buffer): void {
    const at = endOfName(bytes);
    this.#write(Buffer.concat([bytes.subarray(0, at), XMLNS, bytes.subarray(at)]));
  }

  send(xml: string): void {
    this.#write(Buffer.from(xml));
  }

  reply(xml: string): void {
    this.#unreadAnswers = this.full ? this.#unreadAnswers + xml.length : 0;
    if (this.#unreadAnswers > UNREAD_ANSWERS) {
      this.fail(new StreamFault('policy-violation', 'stream-protocol', 'The peer asks and does not read the answers.'));
    }
    this.send(xml);
  }

  restart(): void {
    this.#answered = false;
  }

  trusted(): void {
    this.#allowance = Number.POSITIVE_INFINITY;
    this.#scanner.elementBytes = this.#options.scanner.elementBytes;
  }

  startTls(): void {
    throw new StreamFault('policy-violation', 'stream-protocol', 'TLS lies under a WebSocket, or nowhere.');
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  fail(fault: StreamFault): void {
    if (!this.open) return;
    this.#fault ??= fault;
    if (!this.#answered) this.answer(this.#toAnswer);
    const error = streamErrorXml(fault.condition, '', fault.extra);
    this.send(error.replace('<stream:error', `<stream:error xmlns:stream='${ns.streams}'`));
    this.#sendClose();
    this.#webSocket.close(NORMAL);
  }

  close(fault?: Fault): void {
    if (!this.open) return;
    this.#fault ??= fault;
    this.#sendClose();
    if (this.#closeSeen) this.#webSocket.close(NORMAL);
  }

  destroy(fault?: Fault): void {
    this.#fault ??= fault;
    this.#closeSent = true;
    this.#webSocket.terminate();
  }

  #write(data: Buffer): void {
    if (!this.open) return;
    this.#sent += data.length;
    this.#webSocket.send(data, { binary: false });
    if (this.#stall === undefined && this.#webSocket.bufferedAmount > 0) this.#watchStall();
  }

  /** A slow client under steady traffic never drains; it is only gone when nothing moves at all. */
  #watchStall(): void {
    const moved = this.#sent - this.#webSocket.bufferedAmount;
    this.#stall = setTimeout(() => {
      this.#stall = undefined;
      const left = this.#webSocket.bufferedAmount;
      if (left === 0) return;
      if (this.#sent - left > moved) this.#watchStall();
      else this.destroy(new Fault('stream-error', 'The peer does not read.'));
    }, STALL_MS);
  }

  #count(bytes: number): void {
    this.lastRead = Date.now();
    this.#allowance -= bytes;
    if (this.#allowance >= 0 || !this.open) return;
    this.fail(new StreamFault('policy-violation', 'stanza-too-big', 'Too much was sent before the proof.'));
  }

  /** RFC 7395 §3.3: a frame is text, and one whole element. */
  #frame(data: RawData, binary: boolean): void {
    if (this.#fault instanceof StreamFault || this.#closeSeen) return;
    try {
      if (binary) throw new StreamFault('bad-format', 'xml-malformed', 'A binary frame.');
      this.#elements = 0;
      this.#scanner.push(data as Buffer);
      if (this.#elements !== 1 || this.#scanner.unconsumed > 0) {
        throw new StreamFault('bad-format', 'xml-malformed', 'A frame is not one whole element.');
      }
      if (this.#lang !== undefined) this.#openScanner(this.#lang);
    } catch (error) {
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
    this.#elements++;
    const { namespace, name } = element;
    if (namespace === clientNs.framing && name === 'open') {
      this.#lang = element.lang;
      const version = /\sversion\s*=\s*['"]([^'"]*)['"]/.exec(element.bytes.toString())?.[1] ?? '';
      this.#events.opening({ to: element.to, from: element.from, version });
    } else if (namespace === clientNs.framing && name === 'close') this.#closing();
    else if (namespace === ns.streams && name === 'error') {
      this.#fault ??= new PeerStreamFault(element.childName);
      this.close();
    } else this.#events.element(element);
  }

  /** The language of the opening is that of every stanza without one (RFC 6120 §4.7.4). */
  #openScanner(lang: string): void {
    this.#lang = undefined;
    this.#scanner.restart();
    this.#scanner.push(header(lang));
  }

  #closing(): void {
    this.#closeSeen = true;
    if (this.#closeSent) this.#webSocket.close(NORMAL);
    else this.close();
  }

  #sendClose(): void {
    this.send(`<close xmlns='${clientNs.framing}'/>`);
    this.#closeSent = true;
    this.#closeTimer ??= setTimeout(() => this.#webSocket.terminate(), CLOSE_MS);
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  #closed(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#stall);
    clearTimeout(this.#closeTimer);
    const graceful = this.#closeSeen;
    this.#events.closed(
      this.#fault ?? (graceful ? undefined : new Fault('stream-error', 'The connection ended without a closing tag.')),
    );
  }
}
