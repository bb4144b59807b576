import type { Stanza } from '../../bridge/stanza.ts';
import { attributesOf, endOfName } from '../../xmpp/start-tag-bytes.ts';
import { escapeAttribute } from '../../xmpp/xml.ts';

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
  for (const { name, before, end } of attributesOf(bytes)) {
    if (isAddress(name) && addresses[name] !== undefined) cuts.push([before, end]);
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

function isAddress(name: string): name is keyof Addresses {
  return name === 'from' || name === 'to';
}

function written(name: keyof Addresses, { [name]: value = '' }: Addresses): string {
  return value === '' ? '' : ` ${name}='${escapeAttribute(value)}'`;
}
