import { isUtf8 } from 'node:buffer';
import { type OpenTag, type ScannedElement, type StreamHeader, TagReader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { resolveReference } from './xml.ts';

export interface ScannerLimits {
  /** Largest top-level element, in bytes. */
  readonly elementBytes: number;
  /** Deepest nesting inside a top-level element. */
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

// States, in the order a tag goes through them.
const TOP = 0;
const TEXT = 1;
const OPEN = 2;
const NAME = 3;
const IN_TAG = 4;
const ATTRIBUTE = 5;
const EQUALS = 6;
const QUOTE = 7;
const VALUE = 8;
const AFTER_VALUE = 9;
const EMPTY = 10;
const END_NAME = 11;
const END_SPACE = 12;
const CDATA_OPEN = 13;
const CDATA = 14;
const REFERENCE = 15;
const DECLARATION = 16;

// What a byte may be part of, as bits.
const IS_NAME = 1;
const IS_NAME_START = 2;
const IS_SPACE = 4;
const IS_TEXT = 8;
const IS_VALUE = 16;

const LT = 0x3c;
const GT = 0x3e;
const AMP = 0x26;
const SLASH = 0x2f;
const BRACKET = 0x5d;
const COLON = 0x3a;
const CDATA_START = Buffer.from('[CDATA[');
/** A byte order mark is no part of XMPP (RFC 6120 §11.6). */
const ENCODING_MARKS = new Set([0xef, 0xfe, 0xff, 0x00]);
/** `<?xml version='1.0' encoding='UTF-8' standalone='yes'?>` with room to spare. */
const DECLARATION_BYTES = 128;
/** `&#x10FFFF;` with room for leading zeros. */
const REFERENCE_BYTES = 12;
const DECLARATION_FORM =
  /^<\?xml\s+version\s*=\s*(?:'1\.\d'|"1\.\d")(?:\s+encoding\s*=\s*(?:'([\w.-]+)'|"([\w.-]+)"))?(?:\s+standalone\s*=\s*(?:'yes'|"yes"|'no'|"no"))?\s*\?>$/;

const classes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  let bits = 0;
  if (byte < 0x80 && /[A-Za-z0-9_.:-]/.test(character)) bits |= IS_NAME;
  if (byte < 0x80 && /[A-Za-z_]/.test(character)) bits |= IS_NAME_START;
  if (/[ \t\r\n]/.test(character)) bits |= IS_SPACE;
  if ((byte >= 0x20 || bits & IS_SPACE) && byte !== LT && byte !== AMP) bits |= IS_VALUE;
  if (bits & IS_VALUE && byte !== BRACKET) bits |= IS_TEXT;
  classes[byte] = bits;
}

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
  #limits: ScannerLimits;
  readonly #tags: TagReader;
  #state = TOP;
  /** 0 before the stream header, 1 between top-level elements, 2 and more inside one. */
  #level = 0;
  #buffer: Buffer = Buffer.alloc(0);
  /** Where the current top-level item starts in the buffer; the marks below count from there. */
  #start = 0;
  #mark = 0;
  #quote = 0;
  #run = 0;
  #returnTo = TEXT;
  #suspectCharacters = false;
  #declared = false;
  #stopped = false;
  /** Bytes of an unfinished item carried over to the next chunk. */
  #held: Buffer | undefined;
  #heldBytes = 0;
  #at = 0;

  constructor(events: ScannerEvents, limits: ScannerLimits, contentNamespace: string) {
    this.#events = events;
    this.#limits = limits;
    this.#tags = new TagReader(contentNamespace, limits.depth, limits.attributes);
  }

  /** Raises or lowers the size limit, e.g. once the peer is proven. */
  set elementBytes(bytes: number) {
    this.#limits = { ...this.#limits, elementBytes: bytes };
  }

  /** Expects a new stream header next (RFC 6120 §4.3.3). Safe to call from within an event. */
  restart(): void {
    this.#state = TOP;
    this.#level = 0;
    this.#declared = false;
    this.#stopped = false;
    this.#tags.restart();
  }

  /** Takes no further byte; may be called from within an event. */
  stop(): void {
    this.#stopped = true;
  }

  /** Bytes received and not consumed: anything but 0 at a STARTTLS boundary is an injection (RFC 6120 §5.4.3.3). */
  get unconsumed(): number {
    return this.#heldBytes;
  }

  /** Scans one chunk, calling the events as items complete. Throws {@link StreamFault}; the scanner is then spent. */
  push(chunk: Buffer): void {
    if (this.#stopped) {
      this.#heldBytes += chunk.length;
      return;
    }
    let position = 0;
    let end = chunk.length;
    if (this.#held === undefined) {
      this.#buffer = chunk;
      this.#start = 0;
    } else {
      this.#append(this.#held, chunk);
      position = this.#at;
      end = this.#heldBytes;
    }
    position = this.#scan(this.#buffer, position, end);
    this.#carry(position, end);
  }

  #append(held: Buffer, chunk: Buffer): void {
    const total = this.#heldBytes + chunk.length;
    if (total > held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(total, held.length * 2));
      held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    const target = this.#held ?? held;
    chunk.copy(target, this.#heldBytes);
    this.#heldBytes = total;
    this.#buffer = target;
    this.#start = 0;
  }

  #carry(position: number, end: number): void {
    const keepFrom = this.#stopped ? position : this.#state === TOP ? end : this.#start;
    const bytes = end - keepFrom;
    if (bytes === 0) {
      this.#held = undefined;
      this.#heldBytes = 0;
      return;
    }
    if (bytes > this.#limits.elementBytes) throw tooBig();
    if (keepFrom !== 0 || this.#held === undefined) {
      const held = Buffer.allocUnsafeSlow(Math.max(bytes * 2, 1024));
      this.#buffer.copy(held, 0, keepFrom, end);
      this.#held = held;
    }
    this.#heldBytes = bytes;
    this.#at = position - keepFrom;
  }

  #scan(buffer: Buffer, from: number, end: number): number {
    let i = from;
    while (i < end && !this.#stopped) {
      const byte = buffer[i] as number;
      const bits = classes[byte] as number;
      switch (this.#state) {
        case TOP:
          if (byte === LT) {
            this.#start = i;
            this.#suspectCharacters = false;
            this.#state = OPEN;
          } else if (!(bits & IS_SPACE)) {
            throw this.#level === 0 && ENCODING_MARKS.has(byte)
              ? new StreamFault(
                  'unsupported-encoding',
                  'xml-malformed',
                  'The stream is not UTF-8 or starts with a BOM.',
                )
              : new StreamFault('bad-format', 'xml-malformed', 'Text between elements of the stream.');
          }
          i++;
          break;
        case TEXT:
          i = this.#text(buffer, i, end);
          break;
        case OPEN:
          i = this.#open(byte, bits, i);
          break;
        case NAME: {
          const tags = this.#tags;
          let current = byte;
          while ((classes[current] as number) & IS_NAME) {
            if (current === COLON) tags.prefixed = true;
            if (++i === end) return i;
            current = buffer[i] as number;
          }
          tags.nameEnd = i - this.#start;
          this.#state = IN_TAG;
          if (!((classes[current] as number) & IS_SPACE) && current !== GT && current !== SLASH) throw malformed();
          break;
        }
        case IN_TAG:
          if (byte === GT) this.#opened(false, i + 1);
          else if (byte === SLASH) this.#state = EMPTY;
          else if (bits & IS_NAME_START) {
            this.#mark = i - this.#start;
            this.#state = ATTRIBUTE;
          } else if (!(bits & IS_SPACE)) throw malformed();
          i++;
          break;
        case ATTRIBUTE: {
          const tags = this.#tags;
          let current = byte;
          while ((classes[current] as number) & IS_NAME) {
            if (current === COLON) tags.prefixed = true;
            if (++i === end) return i;
            current = buffer[i] as number;
          }
          tags.attribute(this.#mark, i - this.#start);
          this.#state = EQUALS;
          break;
        }
        case EQUALS:
          if (byte === 0x3d) this.#state = QUOTE;
          else if (!(bits & IS_SPACE)) throw malformed();
          i++;
          break;
        case QUOTE:
          if (byte === 0x22 || byte === 0x27) {
            this.#quote = byte;
            this.#tags.valueStart(i + 1 - this.#start);
            this.#state = VALUE;
          } else if (!(bits & IS_SPACE)) throw malformed();
          i++;
          break;
        case VALUE:
          i = this.#value(buffer, i, end);
          break;
        case AFTER_VALUE:
          if (byte === GT) this.#opened(false, i + 1);
          else if (byte === SLASH) this.#state = EMPTY;
          else if (bits & IS_SPACE) this.#state = IN_TAG;
          else throw malformed();
          i++;
          break;
        case EMPTY:
          if (byte !== GT) throw malformed();
          this.#opened(true, i + 1);
          i++;
          break;
        case END_NAME:
          if (bits & IS_NAME) i++;
          else {
            this.#tags.close(this.#level, buffer, this.#start, this.#mark, i - this.#start);
            this.#state = END_SPACE;
          }
          break;
        case END_SPACE:
          if (byte === GT) this.#closed(i + 1);
          else if (!(bits & IS_SPACE)) throw malformed();
          i++;
          break;
        case CDATA_OPEN:
          if (byte !== CDATA_START[this.#run]) throw restricted('A markup declaration.');
          if (++this.#run === CDATA_START.length) {
            this.#run = 0;
            this.#state = CDATA;
          }
          i++;
          break;
        case CDATA:
          i = this.#cdata(buffer, i, end);
          break;
        case REFERENCE:
          if (byte === 0x3b) this.#reference(buffer, i);
          else if (i - this.#start - this.#mark > REFERENCE_BYTES) throw restricted('An entity reference.');
          i++;
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

  /** Character data; `]]>` must not appear in it (XML 1.0 §2.4). */
  #text(buffer: Buffer, from: number, end: number): number {
    for (let i = from; i < end; i++) {
      const byte = buffer[i] as number;
      if ((classes[byte] as number) & IS_TEXT) {
        if (byte === 0xef) this.#suspectCharacters = true;
        if (this.#run !== 0) {
          if (byte === GT && this.#run >= 2) throw malformed();
          this.#run = 0;
        }
      } else if (byte === BRACKET) this.#run++;
      else {
        this.#run = 0;
        if (byte === LT) this.#state = OPEN;
        else if (byte === AMP) this.#awaitReference(TEXT, i);
        else throw malformed();
        return i + 1;
      }
    }
    return end;
  }

  #value(buffer: Buffer, from: number, end: number): number {
    const quote = this.#quote;
    for (let i = from; i < end; i++) {
      const byte = buffer[i] as number;
      if (byte === quote) {
        this.#tags.valueEnd(i - this.#start);
        this.#state = AFTER_VALUE;
        return i + 1;
      }
      if ((classes[byte] as number) & IS_VALUE) {
        if (byte === 0xef) this.#suspectCharacters = true;
        continue;
      }
      if (byte !== AMP) throw malformed();
      this.#awaitReference(VALUE, i);
      return i + 1;
    }
    return end;
  }

  #cdata(buffer: Buffer, from: number, end: number): number {
    for (let i = from; i < end; i++) {
      const byte = buffer[i] as number;
      if (byte === BRACKET) this.#run++;
      else {
        if (byte === GT && this.#run >= 2) {
          this.#run = 0;
          this.#state = TEXT;
          return i + 1;
        }
        this.#run = 0;
        if (byte === 0xef) this.#suspectCharacters = true;
        if (byte < 0x20 && !((classes[byte] as number) & IS_SPACE)) throw malformed();
      }
    }
    return end;
  }

  #awaitReference(returnTo: number, i: number): void {
    this.#returnTo = returnTo;
    this.#mark = i + 1 - this.#start;
    this.#state = REFERENCE;
  }

  #reference(buffer: Buffer, i: number): void {
    const name = buffer.toString('latin1', this.#start + this.#mark, i);
    if (resolveReference(name) === undefined) {
      throw name.startsWith('#') ? malformed() : restricted('An entity reference other than the predefined five.');
    }
    this.#state = this.#returnTo;
  }

  #open(byte: number, bits: number, i: number): number {
    if (bits & IS_NAME_START) {
      this.#tags.begin(i - this.#start);
      this.#state = NAME;
      return i;
    }
    if (byte === SLASH && this.#level > 0) {
      this.#mark = i + 1 - this.#start;
      this.#state = END_NAME;
    } else if (byte === 0x21) {
      if (this.#level < 2) throw restricted('A markup declaration.');
      this.#run = 0;
      this.#state = CDATA_OPEN;
    } else if (byte === 0x3f) {
      if (this.#level !== 0 || this.#declared) throw restricted('A processing instruction.');
      this.#state = DECLARATION;
    } else throw malformed();
    return i + 1;
  }

  #declaration(buffer: Buffer, end: number): void {
    const form = DECLARATION_FORM.exec(buffer.toString('latin1', this.#start, end));
    if (form === null) throw restricted('A processing instruction.');
    const encoding = form[1] ?? form[2] ?? 'UTF-8';
    if (encoding.toUpperCase() !== 'UTF-8') throw new StreamFault('unsupported-encoding', 'xml-malformed');
    this.#declared = true;
    this.#state = TOP;
  }

  #opened(empty: boolean, end: number): void {
    this.#run = 0;
    if (this.#level === 0) {
      if (empty) throw new StreamFault('bad-format', 'xml-malformed', 'The stream header is an empty element.');
      const header = this.#checked(this.#start, end);
      this.#level = 1;
      this.#state = TOP;
      this.#events.header(this.#tags.header(header));
      return;
    }
    const tag: OpenTag = { buffer: this.#buffer, start: this.#start, level: ++this.#level, empty };
    this.#tags.open(tag);
    this.#state = TEXT;
    if (empty) this.#closed(end);
  }

  #closed(end: number): void {
    const level = this.#level--;
    if (level > 2) {
      this.#tags.leave(level);
      this.#state = TEXT;
      return;
    }
    this.#state = TOP;
    if (level === 1) {
      this.#events.footer();
      return;
    }
    this.#events.element(this.#tags.element(this.#checked(this.#start, end)));
  }

  #checked(start: number, end: number): Buffer {
    const bytes = this.#buffer.subarray(start, end);
    if (bytes.length > this.#limits.elementBytes) throw tooBig();
    if (!isUtf8(bytes)) throw new StreamFault('unsupported-encoding', 'xml-malformed', 'Not UTF-8.');
    if (this.#suspectCharacters && (bytes.includes('\ufffe') || bytes.includes('\uffff'))) throw malformed();
    return bytes;
  }
}

function malformed(): StreamFault {
  return new StreamFault('not-well-formed', 'xml-malformed');
}

function restricted(what: string): StreamFault {
  return new StreamFault('restricted-xml', 'xml-restricted', `${what} Not allowed in XMPP (RFC 6120 §11.1).`);
}

function tooBig(): StreamFault {
  return new StreamFault('policy-violation', 'stanza-too-big', undefined, "<stanza-too-big xmlns='urn:xmpp:errors'/>");
}
