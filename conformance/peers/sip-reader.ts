/** More than this in one message is a bug of the test. */
const longestMessage = 4 * 1024 * 1024;

/** A SIP message as it came. */
export interface WireMessage {
  /** The first line: `MESSAGE sip:b@p.example SIP/2.0` or `SIP/2.0 200 OK`. */
  readonly start: string;
  /** Header fields in order, names and values as written, folded lines joined by a space. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** RFC 3261 §7.3.3 and §20, and the later ones that peers use. */
const compactNames: Readonly<Record<string, string>> = {
  c: 'content-type',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
};

/** Every value of a header, by its long or compact name, in any case. */
export function headerValues(message: WireMessage, name: string): string[] {
  const wanted = longName(name);
  return message.headers.filter(([written]) => longName(written) === wanted).map(([, value]) => value);
}

/** The first value of a header; '' where there is none. */
export function headerValue(message: WireMessage, name: string): string {
  return headerValues(message, name)[0] ?? '';
}

/** Of a response; 0 for a request. */
export function statusOf({ start }: WireMessage): number {
  return Number(/^SIP\/2\.0 (\d{3}) /.exec(`${start} `)?.[1] ?? 0);
}

/** Of a request; '' for a response. */
export function methodOf({ start }: WireMessage): string {
  return statusOf({ start, headers: [], body: Buffer.alloc(0) }) > 0 ? '' : (start.split(' ', 1)[0] ?? '');
}

/** Cuts a stream into messages, as trusting as a test can be; it shares nothing with the gateway's own reader. */
export class SipReader {
  readonly #message: (message: WireMessage) => void;
  #unread: Buffer = Buffer.alloc(0);
  /** Empty lines between messages, keep-alives of RFC 5626 §4.4.1 among them. */
  emptyLines = 0;

  constructor(message: (message: WireMessage) => void) {
    this.#message = message;
  }

  /** Throws where what comes cannot be a message of ours. */
  push(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    while (this.#take());
    if (this.#unread.length > longestMessage) throw new Error('a SIP message that never ends');
  }

  #take(): boolean {
    while (this.#unread.length >= 2 && this.#unread[0] === 0x0d && this.#unread[1] === 0x0a) {
      this.emptyLines += 1;
      this.#unread = this.#unread.subarray(2);
    }
    const end = this.#unread.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [start = '', ...lines] = this.#unread
      .subarray(0, end)
      .toString('utf8')
      .replace(/\r\n[ \t]+/g, ' ')
      .split('\r\n');
    const headers = lines.map(readField);
    const length = Number(headerValue({ start, headers, body: Buffer.alloc(0) }, 'content-length') || 0);
    if (!Number.isInteger(length)) throw new Error(`a Content-Length that is none in ${start}`);
    const past = end + 4 + length;
    if (this.#unread.length < past) return false;
    const body = Buffer.from(this.#unread.subarray(end + 4, past));
    this.#unread = this.#unread.subarray(past);
    this.#message({ start, headers, body });
    return true;
  }
}

function readField(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

function longName(name: string): string {
  const folded = name.toLowerCase();
  return compactNames[folded] ?? folded;
}
