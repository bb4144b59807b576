import { Headers } from './headers.ts';
import { malformed } from './malformed.ts';
import { type NameAddress, parseNameAddress } from './name-address.ts';
import { classes, isIn, wholeNumber } from './text.ts';
import { parseVia, type Via } from './via.ts';

export type SipMessage = SipRequest | SipResponse;

export interface CSeq {
  /** 0 to 2^31 − 1. */
  readonly number: number;
  readonly method: string;
}

/** What the text of a header was read as, kept as long as the text is the same. */
interface Read<T> {
  readonly text: string;
  readonly value: T;
}

const noBody = Buffer.alloc(0);

/** What requests and responses share. The getters read on demand and throw `sip-malformed`. */
abstract class Message {
  readonly headers: Headers;
  body: Buffer;
  /** As written in the start line; `SIP/2.0` in what we send. */
  readonly version: string;
  #via: Read<Via> | undefined;
  #from: Read<NameAddress> | undefined;
  #to: Read<NameAddress> | undefined;
  #contact: Read<NameAddress> | undefined;
  #cseq: Read<CSeq> | undefined;

  constructor(headers: Headers, body: Buffer, version: string) {
    this.headers = headers;
    this.body = body;
    this.version = version;
  }

  get topVia(): Via {
    this.#via = read(this.headers, 'Via', this.#via, parseVia);
    return this.#via.value;
  }

  get from(): NameAddress {
    this.#from = read(this.headers, 'From', this.#from, parseNameAddress);
    return this.#from.value;
  }

  get to(): NameAddress {
    this.#to = read(this.headers, 'To', this.#to, parseNameAddress);
    return this.#to.value;
  }

  get callId(): string {
    const callId = this.headers.get('Call-ID');
    if (callId === undefined || !isCallId(callId)) throw malformed('The Call-ID is missing or malformed.');
    return callId;
  }

  get cseq(): CSeq {
    this.#cseq = read(this.headers, 'CSeq', this.#cseq, parseCSeq);
    return this.#cseq.value;
  }

  /** The first Contact; undefined where there is none, and for `*`. */
  get contact(): NameAddress | undefined {
    const text = this.headers.get('Contact');
    if (text === undefined || text === '*') return undefined;
    this.#contact = read(this.headers, 'Contact', this.#contact, parseNameAddress);
    return this.#contact.value;
  }

  /** 0 to 255 (RFC 3261 §20.22); undefined where there is none. */
  get maxForwards(): number | undefined {
    const text = this.headers.get('Max-Forwards');
    if (text === undefined) return undefined;
    const hops = wholeNumber(text, 255);
    if (hops === undefined) throw malformed('Max-Forwards is no number up to 255.');
    return hops;
  }
}

export class SipRequest extends Message {
  readonly kind = 'request';
  method: string;
  /** The Request-URI, as written. */
  uri: string;

  constructor(method: string, uri: string, headers = new Headers(), body: Buffer = noBody, version = 'SIP/2.0') {
    super(headers, body, version);
    this.method = method;
    this.uri = uri;
  }
}

export class SipResponse extends Message {
  readonly kind = 'response';
  /** 100 to 699; 0 where a received message has something else. */
  status: number;
  reason: string;

  constructor(status: number, reason: string, headers = new Headers(), body: Buffer = noBody, version = 'SIP/2.0') {
    super(headers, body, version);
    this.status = status;
    this.reason = reason;
  }
}

/** Reads `number SP method` (RFC 3261 §20.16). Throws `sip-malformed`. */
function parseCSeq(text: string): CSeq {
  const parts = /^([0-9]+)[ \t]+([^ \t]+)$/.exec(text);
  const number = wholeNumber(parts?.[1] ?? '', 2 ** 31 - 1);
  const method = parts?.[2] ?? '';
  if (number === undefined || !isIn(method, classes.token)) throw malformed('The CSeq is malformed.');
  return { number, method };
}

/** RFC 3261 §25.1, callid; anything visible is taken. */
function isCallId(text: string): boolean {
  return /^[!-~]+$/.test(text);
}

function read<T>(headers: Headers, name: string, before: Read<T> | undefined, parse: (text: string) => T): Read<T> {
  const text = headers.get(name);
  if (text === undefined) throw malformed(`The message has no ${name}.`);
  return before?.text === text ? before : { text, value: parse(text) };
}
