import { Fault } from '../policies/fault.ts';

/**
 * The Distinguished Encoding Rules (ITU-T X.690 §10): a strict reader and the writer that goes with it.
 * What BER allows and DER forbids (indefinite or padded lengths) is malformed here, so one value has one encoding.
 */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[n]` over a primitive type, IMPLICIT. */
  context: (n: number): number => 0x80 | n,
  /** `[n]` over a constructed type or EXPLICIT. */
  contextConstructed: (n: number): number => 0xa0 | n,
} as const;

/** One element; both views share the memory they were read from. */
export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  /** Header and content. */
  readonly whole: Buffer;
}

const malformed = (what: string): Fault => new Fault('certificate-malformed', what);

/** The bytes as a Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads the element at the start of `bytes`. Throws `certificate-malformed`. */
function readFirst(bytes: Buffer): Der {
  const elementTag = bytes[0];
  const first = bytes[1];
  if (elementTag === undefined || first === undefined) throw malformed('The DER ends in the middle of an element.');
  if ((elementTag & 0x1f) === 0x1f) throw malformed('DER tags above 30 do not occur in a certificate.');
  let length = first;
  let header = 2;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    // Four octets hold 4 GiB: more than anything that gets here.
    if (octets === 0 || octets > 4 || bytes.length < 2 + octets) throw malformed('A DER length is malformed.');
    length = bytes.readUIntBE(2, octets);
    header += octets;
    if (length < 0x80 || bytes[2] === 0) throw malformed('A DER length is not in its shortest form.');
  }
  if (bytes.length < header + length) throw malformed('The DER ends in the middle of an element.');
  return {
    tag: elementTag,
    content: bytes.subarray(header, header + length),
    whole: bytes.subarray(0, header + length),
  };
}

/** Reads bytes that are exactly one element of this tag. Throws `certificate-malformed`. */
export function readDer(bytes: Uint8Array, expected: number): Der {
  const element = readFirst(asBuffer(bytes));
  if (element.whole.length !== bytes.length) throw malformed('Bytes follow the DER element.');
  return expectTag(element, expected);
}

/** The elements inside a constructed one. Throws `certificate-malformed`. */
export function childrenOf(element: Der): Der[] {
  const children: Der[] = [];
  for (let rest = element.content; rest.length > 0; ) {
    const child = readFirst(rest);
    children.push(child);
    rest = rest.subarray(child.whole.length);
  }
  return children;
}

/** The fields of a SEQUENCE, taken in order. Everything throws `certificate-malformed`. */
export class Fields {
  readonly #children: readonly Der[];
  #next = 0;

  constructor(element: Der) {
    this.#children = childrenOf(element);
  }

  /** The next field, which must have this tag (any where none is given). */
  take(expected?: number): Der {
    const child = this.#children[this.#next];
    if (child === undefined) throw malformed('A DER sequence is too short.');
    this.#next += 1;
    return expected === undefined ? child : expectTag(child, expected);
  }

  /** The next field if it has this tag. */
  takeIf(expected: number): Der | undefined {
    return this.#children[this.#next]?.tag === expected ? this.take() : undefined;
  }

  end(): void {
    if (this.#next < this.#children.length) throw malformed('A DER sequence is too long.');
  }
}

function expectTag(element: Der, expected: number): Der {
  if (element.tag === expected) return element;
  throw malformed(`DER tag 0x${element.tag.toString(16)} stands where 0x${expected.toString(16)} belongs.`);
}

/** Dotted text of an OBJECT IDENTIFIER. */
export function readOid(element: Der): string {
  const bytes = expectTag(element, tag.oid).content;
  if (bytes.length === 0 || (bytes.at(-1) ?? 0) >= 0x80) throw malformed('An object identifier is cut short.');
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of bytes) {
    if (arc === 0n && byte === 0x80) throw malformed('An object identifier is not in its shortest form.');
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const root = arc < 80n ? arc / 40n : 2n;
      arcs.push(root, arc - root * 40n);
    } else arcs.push(arc);
    arc = 0n;
  }
  return arcs.join('.');
}

export function readBoolean(element: Der): boolean {
  const { content } = expectTag(element, tag.boolean);
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw malformed('A DER boolean is malformed.');
  return content[0] === 0xff;
}

/** An INTEGER that must be small and not negative, e.g. a path length. */
export function readSmallInteger(element: Der): number {
  const { content } = expectTag(element, tag.integer);
  const value = content.length >= 1 && content.length <= 4 ? content.readIntBE(0, content.length) : -1;
  if (value < 0 || (content.length > 1 && content[0] === 0 && (content[1] ?? 0) < 0x80)) {
    throw malformed('A DER integer is out of range.');
  }
  return value;
}

/** Bits of a BIT STRING as RFC 5280 numbers them: bit 0 is the first. */
export function readBits(element: Der): ReadonlySet<number> {
  const { content } = expectTag(element, tag.bitString);
  const unused = content[0];
  if (unused === undefined || unused > 7 || (unused > 0 && content.length === 1)) {
    throw malformed('A DER bit string is malformed.');
  }
  const bits = new Set<number>();
  for (let bit = 0; bit < (content.length - 1) * 8 - unused; bit += 1) {
    if (((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.add(bit);
  }
  return bits;
}

/** Writes one element around its content. */
export function der(elementTag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(elementTag, body.length), body]);
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
  return Buffer.concat([Buffer.of(elementTag, 0x80 | length.length, ...length), body]);
}

export const sequence = (...content: readonly Uint8Array[]): Buffer => der(tag.sequence, ...content);

/** An INTEGER of these magnitude bytes (big-endian), not negative. */
export function integer(magnitude: Uint8Array): Buffer {
  const first = magnitude.findIndex((byte) => byte !== 0);
  const shortest = first < 0 ? Buffer.of(0) : magnitude.subarray(first);
  return der(tag.integer, (shortest[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.of(), shortest);
}

export const boolean = (value: boolean): Buffer => der(tag.boolean, Buffer.of(value ? 0xff : 0));
export const octetString = (...content: readonly Uint8Array[]): Buffer => der(tag.octetString, ...content);

/** A BIT STRING of whole bytes. */
export const bitString = (bytes: Uint8Array): Buffer => der(tag.bitString, Buffer.of(0), bytes);

/** A BIT STRING of named bits (trailing zero bits dropped, X.690 §11.2.2); all below 16. */
export function namedBits(bits: readonly number[]): Buffer {
  const word = bits.reduce((sum, bit) => sum | (0x8000 >> bit), 0);
  const bytes = (word & 0xff) === 0 ? Buffer.of(word >> 8) : Buffer.of(word >> 8, word & 0xff);
  return der(tag.bitString, Buffer.of(7 - (Math.max(...bits) & 7)), bytes);
}

/** An OBJECT IDENTIFIER from its dotted text. */
export function oid(dotted: string): Buffer {
  const [root = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const base128 = (arc: number): number[] => {
    const octets = [arc & 0x7f];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128))
      octets.unshift(0x80 | (high & 0x7f));
    return octets;
  };
  return der(tag.oid, Buffer.from([root * 40 + second, ...rest].flatMap(base128)));
}

/** A Time, to the second: UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+Z$|[-:T]/g, '');
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050
    ? der(tag.utcTime, Buffer.from(`${digits.slice(2)}Z`))
    : der(tag.generalizedTime, Buffer.from(`${digits}Z`));
}
