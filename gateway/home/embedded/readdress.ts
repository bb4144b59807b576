import type { Stanza } from '../../bridge/stanza.ts';
import { escapeAttribute } from '../../xmpp/xml.ts';

const SPACE = 0x20;
const GT = 0x3e;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;

/** The addresses a stanza is to have; '' takes one away, absent leaves it as it is. */
export interface Addresses {
  readonly from?: string;
  readonly to?: string;
}

/** The same stanza with other addresses: only its start tag is written anew, the rest of its bytes is left alone. */
export function readdress(stanza: Stanza, addresses: Addresses): Stanza {
  const { from = stanza.from, to = stanza.to } = addresses;
  return { ...stanza, from, to, bytes: readdressBytes(stanza.bytes, addresses) };
}

/** {@link readdress} for the bytes of one well-formed element that begin with its start tag. */
export function readdressBytes(bytes: Buffer, addresses: Addresses): Buffer {
  const nameEnd = endOfName(bytes);
  const cuts: (readonly [start: number, end: number])[] = [];
  let at = nameEnd;
  for (;;) {
    const start = skipSpace(bytes, at);
    if (bytes[start] === GT || bytes[start] === SLASH) break;
    const attribute = readAttribute(bytes, start);
    if (isAddress(attribute.name) && addresses[attribute.name] !== undefined) cuts.push([at, attribute.end]);
    at = attribute.end;
  }
  const parts: Buffer[] = [
    bytes.subarray(0, nameEnd),
    Buffer.from(written('from', addresses) + written('to', addresses)),
  ];
  let kept = nameEnd;
  for (const [start, end] of cuts) {
    parts.push(bytes.subarray(kept, start));
    kept = end;
  }
  parts.push(bytes.subarray(kept));
  return Buffer.concat(parts);
}

/** Where the name of an element ends in its bytes: whatever is inserted there stands first in its start tag. */
export function endOfName(bytes: Buffer): number {
  let i = 1;
  while (!isDelimiter(bytes[i] as number)) i++;
  return i;
}

function isAddress(name: string): name is keyof Addresses {
  return name === 'from' || name === 'to';
}

function written(name: keyof Addresses, { [name]: value = '' }: Addresses): string {
  return value === '' ? '' : ` ${name}='${escapeAttribute(value)}'`;
}

/** One attribute that begins at `start`; `end` is behind its closing quote. */
function readAttribute(bytes: Buffer, start: number): { name: string; end: number } {
  let nameEnd = start;
  while (bytes[nameEnd] !== EQUALS && (bytes[nameEnd] as number) > SPACE) nameEnd++;
  let quote = nameEnd;
  while (bytes[quote] !== SINGLE_QUOTE && bytes[quote] !== DOUBLE_QUOTE) quote++;
  const closing = bytes.indexOf(bytes[quote] as number, quote + 1);
  return { name: bytes.toString('latin1', start, nameEnd), end: closing + 1 };
}

function isDelimiter(byte: number): boolean {
  return byte <= SPACE || byte === GT || byte === SLASH;
}

function skipSpace(bytes: Buffer, from: number): number {
  let i = from;
  while ((bytes[i] as number) <= SPACE) i++;
  return i;
}
