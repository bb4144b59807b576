import { Fault } from '../../../policies/fault.ts';
import type { SipMessage } from '../message/message.ts';
import { contentLength, parseHead } from '../message/parse.ts';
import { HeadScan } from './head-scan.ts';
import type { FlowLimits } from './limits.ts';

export interface FramerSink {
  message(message: SipMessage): void;
  /** A CRLF between messages: two are a ping, one is the answer to ours (RFC 5626 §4.4.1). */
  blankLine(): void;
}

export type FramerLimits = Pick<FlowLimits, 'headerLines' | 'lineBytes' | 'headBytes' | 'bodyBytes'>;

/** A message whose head is complete; lengths in bytes. */
interface Headed {
  readonly message: SipMessage;
  readonly head: number;
  readonly body: number;
}

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);
/** First size of the store for what is incomplete; it doubles as it must. */
const STORE_BYTES = 4 * 1024;

/**
 * Cuts a stream into messages by Content-Length (RFC 3261 §18.3). After a fault it reads nothing more: where the next
 * message would begin is anybody's guess.
 */
export class SipFramer {
  readonly #sink: FramerSink;
  readonly #limits: FramerLimits;
  readonly #scan: HeadScan;
  #store = NOTHING;
  #held = 0;
  #headed: Headed | undefined;
  #stopped = false;
  #refusable: SipMessage | undefined;

  constructor(sink: FramerSink, limits: FramerLimits) {
    this.#sink = sink;
    this.#limits = limits;
    this.#scan = new HeadScan(limits);
  }

  /** Bytes of an incomplete message (or half a CRLF). */
  get held(): number {
    return this.#held;
  }

  /** After a fault: the message whose length was at fault, without its body. It can be answered, if it is a request. */
  get refusable(): SipMessage | undefined {
    return this.#refusable;
  }

  /** Reads nothing more, also of the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
    this.#store = NOTHING;
    this.#held = 0;
    this.#headed = undefined;
  }

  /**
   * Takes bytes, and gives each message that is complete to the sink at once. Throws `sip-malformed` or `sip-too-big`
   * when the stream cannot be read further, and what the sink throws.
   */
  push(chunk: Buffer): void {
    if (this.#stopped) return;
    const data = this.#held > 0 ? this.#append(chunk) : chunk;
    try {
      const read = this.#read(data);
      if (!this.#stopped) this.#keep(data, read);
    } catch (thrown) {
      this.stop();
      throw thrown;
    }
  }

  /** Gives out what is complete; returns how many bytes that was. */
  #read(data: Buffer): number {
    let at = 0;
    while (at < data.length && !this.#stopped) {
      if (this.#headed === undefined && data[at] === CR) {
        if (at + 1 === data.length) break;
        if (data[at + 1] !== LF) throw new Fault('sip-malformed', 'A CR without LF.');
        at += 2;
        this.#sink.blankLine();
        continue;
      }
      this.#headed ??= this.#readHead(data, at);
      if (this.#headed === undefined) break;
      const { message, head, body } = this.#headed;
      const end = at + head + body;
      if (end > data.length) break;
      this.#headed = undefined;
      // Its own copy: a body may be kept for long, and must not keep the whole chunk, or change with the store.
      if (body > 0) message.body = Buffer.from(data.subarray(end - body, end));
      this.#sink.message(message);
      at = end;
    }
    return at;
  }

  #readHead(data: Buffer, start: number): Headed | undefined {
    const head = this.#scan.scan(data, start);
    if (head === undefined) return undefined;
    this.#scan.reset();
    const message = parseHead(data.subarray(start, start + head - 2), this.#limits);
    try {
      return { message, head, body: this.#bodyLength(message) };
    } catch (fault) {
      this.#refusable = message;
      throw fault;
    }
  }

  #bodyLength(message: SipMessage): number {
    const length = contentLength(message);
    const { bodyBytes } = this.#limits;
    if (length > bodyBytes) throw new Fault('sip-too-big', `The body has more than ${bodyBytes} bytes.`);
    return length;
  }

  #append(chunk: Buffer): Buffer {
    const needed = this.#held + chunk.length;
    if (needed > this.#store.length) this.#grow(needed);
    chunk.copy(this.#store, this.#held);
    return this.#store.subarray(0, needed);
  }

  #grow(needed: number): void {
    const store = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#store.length, STORE_BYTES));
    this.#store.copy(store, 0, 0, this.#held);
    this.#store = store;
  }

  /** Keeps what was not read. */
  #keep(data: Buffer, read: number): void {
    const rest = data.length - read;
    if (rest === 0) this.#store = NOTHING;
    else if (this.#held > 0) this.#store.copyWithin(0, read, data.length);
    else {
      this.#grow(rest);
      data.copy(this.#store, 0, read);
    }
    this.#held = rest;
  }
}
