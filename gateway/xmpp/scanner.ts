import { classes, NAME, NAME_START, SPACE } from './byte-class.ts';
import { CharacterData } from './character-data.ts';
import { Remainder } from './remainder.ts';
import { type ScannedElement, type StreamHeader, TagReader } from './start-tag.ts';
import { malformed, restricted, StreamFault } from './stream-error.ts';
import { TagAttributes } from './tag-attributes.ts';
import { TagScanner } from './tag-scanner.ts';
import { Vocabulary } from './vocabulary.ts';
import { checkXmlDeclaration, DECLARATION_BYTES } from './xml-declaration.ts';

export interface ScannerLimits {
  /** Largest top-level element, in bytes. */
  readonly elementBytes: number;
  /** Deepest nesting inside a top-level element, itself counted as 1. */
  readonly depth: number;
  /** Most attributes on one tag. */
  readonly attributes: number;
}

export interface ScannerEvents {
  header(header: StreamHeader): void;
  element(element: ScannedElement): void;
  /** The closing tag of the stream. */
  footer(): void;
}

// Where the scanner stands.
const TOP = 0;
const CONTENT = 1;
const OPEN = 2;
const TAG = 3;
const END_NAME = 4;
const END_SPACE = 5;
const CDATA_OPEN = 6;
const CDATA = 7;
const DECLARATION = 8;

const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;
const COLON = 0x3a;
const BANG = 0x21;
const QUESTION = 0x3f;
/**
 * Largest stream header. The prefixes and the language that it declares are written again on each element that uses
 * them: a few bytes of many elements must not become the largest of each.
 */
const HEADER_BYTES = 4_096;
const CDATA_START = Buffer.from('[CDATA[');
/** First bytes of UTF-16, UTF-32 and of a byte order mark, which is no part of XMPP (RFC 6120 §11.6). */
const ENCODING_MARKS = new Set([0xef, 0xfe, 0xff, 0x00]);
const NOTHING = Buffer.alloc(0);

/**
 * Frames an XMPP stream by bytes: takes chunks split anywhere and hands out whole top-level elements, each proven
 * well-formed and namespace-well-formed (RFC 6120 §11), without building a tree.
 *
 * Refused with a {@link StreamFault}: comments, processing instructions, DTDs and undefined entities
 * (`restricted-xml`), what XML 1.0 or Namespaces forbid (`not-well-formed`), other encodings, and whatever passes the
 * limits. Names of elements and attributes are ASCII: no XMPP protocol uses others, and XML parsers differ about them.
 *
 * Buffers handed out are never written to again.
 */
export class Scanner {
  readonly #events: ScannerEvents;
  readonly #tag: TagScanner;
  readonly #tags: TagReader;
  readonly #characters = new CharacterData();
  readonly #remainder = new Remainder();
  #limit: number;
  #state = TOP;
  /** 0 before the stream header, 1 between top-level elements, 2 and more inside one. */
  #level = 0;
  #buffer: Buffer = NOTHING;
  /** Where the current top-level item starts in the buffer; the marks below count from there. */
  #start = 0;
  /** Where the name of an end tag starts. */
  #mark = 0;
  /** Characters of `[CDATA[` seen. */
  #seen = 0;
  /** Whether an XML declaration may come next: only as the first bytes of a stream. */
  #fresh = true;
  #stopped = false;
  /** How much of the buffer there is, and how much of that is behind the last event. */
  #end = 0;
  #consumed = 0;
  #ignored = 0;
  /** Whether anything but white space is among what was ignored. */
  #ignoredInk = false;
  /** Where scanning goes on in the remainder. */
  #resumeAt = 0;

  constructor(events: ScannerEvents, limits: ScannerLimits, contentNamespace: string) {
    this.#events = events;
    this.#limit = limits.elementBytes;
    const vocabulary = new Vocabulary();
    this.#tag = new TagScanner(new TagAttributes(limits.attributes, vocabulary), this.#characters);
    this.#tags = new TagReader(this.#tag, contentNamespace, limits.depth, vocabulary);
  }

  /** Raises or lowers the size limit, e.g. once the peer is proven. */
  set elementBytes(bytes: number) {
    this.#limit = bytes;
  }

  /**
   * Expects a new stream header next (RFC 6120 §4.3.3): called from within an event, directly behind that element,
   * else in the next chunk.
   */
  restart(): void {
    this.#remainder.clear();
    this.#state = TOP;
    this.#level = 0;
    this.#fresh = true;
    this.#stopped = false;
    this.#ignored = 0;
    this.#ignoredInk = false;
    if (this.#buffer === NOTHING) this.#end = 0;
    this.#tags.restart();
  }

  /** Takes no further byte; may be called from within an event. */
  stop(): void {
    this.#stopped = true;
  }

  /** Bytes received and not consumed: anything but 0 at a STARTTLS boundary is an injection (RFC 6120 §5.4.3.3). */
  get unconsumed(): number {
    return this.#end - this.#consumed + this.#ignored;
  }

  /** Whether anything but white space was received since it was stopped, or behind what stopped it. */
  get injected(): boolean {
    return this.#ignoredInk;
  }

  /**
   * Scans one chunk, calling the events as items complete. Throws {@link StreamFault}; the scanner is then stopped.
   * It is stopped behind the closing tag of the stream as well.
   */
  push(chunk: Buffer): void {
    if (this.#stopped) {
      this.#ignored += chunk.length;
      this.#ignoredInk ||= hasInk(chunk);
      return;
    }
    const kept = this.#remainder.length;
    this.#buffer = kept === 0 ? chunk : this.#remainder.append(chunk, this.#limit);
    this.#end = kept + chunk.length;
    this.#consumed = 0;
    this.#start = 0;
    try {
      const position = this.#scan(this.#buffer, kept === 0 ? 0 : this.#resumeAt, this.#end);
      this.#keepRest(position);
    } catch (error) {
      this.#stopped = true;
      this.#keepRest(this.#end);
      throw error;
    }
  }

  #keepRest(position: number): void {
    const from = this.#stopped || this.#state === TOP ? this.#end : this.#start;
    const rest = this.#end - from;
    if (this.#stopped) {
      this.#ignored = this.#end - position;
      this.#ignoredInk = hasInk(this.#buffer.subarray(position, this.#end));
    }
    if (rest === 0) this.#remainder.clear();
    else {
      if (rest > this.#limit) throw tooBig();
      this.#remainder.keep(this.#buffer, from, this.#end, this.#limit);
      this.#resumeAt = position - from;
    }
    this.#buffer = NOTHING;
    this.#end = rest;
    this.#consumed = 0;
  }

  #scan(buffer: Buffer, from: number, end: number): number {
    let i = from;
    while (i < end && !this.#stopped) {
      const byte = buffer[i] as number;
      const bits = classes[byte] as number;
      switch (this.#state) {
        case TOP:
          if (byte === LT) this.#begin(i);
          else if (!(bits & SPACE)) throw this.#strayByte(byte);
          else this.#fresh = false;
          i++;
          break;
        case CONTENT:
          i = this.#characters.text(buffer, i, end);
          if (i === end) return i;
          i++;
          this.#state = OPEN;
          break;
        case OPEN:
          i = this.#open(byte, bits, i);
          break;
        case TAG:
          i = this.#tag.scan(buffer, this.#start, i, end);
          if (i === end) return i;
          i++;
          this.#opened(this.#tag.empty, i);
          break;
        case END_NAME:
          if (bits & NAME || byte === COLON) i++;
          else {
            this.#tags.close(this.#level, buffer, this.#start, this.#mark, i - this.#start);
            this.#state = END_SPACE;
          }
          break;
        case END_SPACE:
          if (byte === GT) this.#closed(i + 1);
          else if (!(bits & SPACE)) throw malformed();
          i++;
          break;
        case CDATA_OPEN:
          if (byte !== CDATA_START[this.#seen]) throw restricted('A markup declaration.');
          if (++this.#seen === CDATA_START.length) this.#state = CDATA;
          i++;
          break;
        case CDATA:
          i = this.#characters.cdata(buffer, i, end);
          if (i === end) return i;
          i++;
          this.#beginContent();
          break;
        default:
          i++;
          if (byte === GT) this.#declaration(buffer, i);
          else if (i - this.#start > DECLARATION_BYTES) throw restricted('A processing instruction.');
          break;
      }
    }
    return i;
  }

  #begin(i: number): void {
    this.#start = i;
    this.#characters.begin();
    this.#state = OPEN;
  }

  #open(byte: number, bits: number, i: number): number {
    if (bits & NAME_START) {
      this.#tag.begin(i - this.#start);
      this.#state = TAG;
      return i;
    }
    if (byte === SLASH && this.#level > 0) {
      this.#mark = i + 1 - this.#start;
      this.#state = END_NAME;
    } else if (byte === BANG) {
      if (this.#level < 2) throw restricted('A markup declaration.');
      this.#seen = 0;
      this.#characters.beginText();
      this.#state = CDATA_OPEN;
    } else if (byte === QUESTION) {
      if (this.#level > 0 || !this.#fresh) throw restricted('A processing instruction.');
      this.#state = DECLARATION;
    } else throw this.#level === 0 && byte === 0 ? notUtf8() : malformed();
    return i + 1;
  }

  #declaration(buffer: Buffer, end: number): void {
    checkXmlDeclaration(buffer.toString('latin1', this.#start, end));
    this.#fresh = false;
    this.#state = TOP;
  }

  #opened(empty: boolean, end: number): void {
    if (this.#level === 0) {
      if (empty) throw new StreamFault('bad-format', 'xml-malformed', 'The stream header is an empty element.');
      const bytes = this.#checked(end);
      if (bytes.length > HEADER_BYTES) throw tooBig();
      const header = this.#tags.header(bytes);
      this.#level = 1;
      this.#state = TOP;
      this.#consumed = end;
      this.#events.header(header);
      return;
    }
    this.#tags.open(this.#buffer, this.#start, ++this.#level);
    if (empty) this.#closed(end);
    else this.#beginContent();
  }

  #closed(end: number): void {
    const level = this.#level--;
    this.#tags.leave(level);
    if (level > 2) {
      this.#beginContent();
      return;
    }
    this.#state = TOP;
    this.#consumed = end;
    if (level === 2) {
      const element = this.#tags.element(this.#checked(end));
      // What it borrows from the stream header counts too: it is written with it on the next stream.
      if (element.bytes.length > this.#limit) throw tooBig();
      this.#events.element(element);
    } else {
      this.#stopped = true;
      this.#events.footer();
    }
  }

  #beginContent(): void {
    this.#characters.beginText();
    this.#state = CONTENT;
  }

  /** The item that ends here, its size and characters found good. */
  #checked(end: number): Buffer {
    const bytes = this.#buffer.subarray(this.#start, end);
    if (bytes.length > this.#limit) throw tooBig();
    this.#characters.check(bytes);
    return bytes;
  }

  #strayByte(byte: number): StreamFault {
    return this.#level === 0 && ENCODING_MARKS.has(byte)
      ? notUtf8()
      : new StreamFault('bad-format', 'xml-malformed', 'Text between the elements of the stream.');
  }
}

function notUtf8(): StreamFault {
  return new StreamFault(
    'unsupported-encoding',
    'xml-malformed',
    'The stream is not in UTF-8 without a byte order mark.',
  );
}

function tooBig(): StreamFault {
  return new StreamFault('policy-violation', 'stanza-too-big', undefined, "<stanza-too-big xmlns='urn:xmpp:errors'/>");
}

function hasInk(bytes: Buffer): boolean {
  return bytes.some((byte) => !((classes[byte] as number) & SPACE));
}
