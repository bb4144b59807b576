import { childrenOf, type Der, Fields, readDer, tag } from './der.ts';

/** Relative names of a distinguished name in order, each in one spelling: equal texts are equal names. */
export type CanonicalName = readonly string[];

const PRINTABLE_STRING = 0x13;
const TEXT: ReadonlySet<number> = new Set([tag.utf8String, PRINTABLE_STRING, tag.ia5String]);

/**
 * A Name as RFC 5280 §7.1 compares it: string types, case and runs of spaces make no difference, so that an issuer
 * written by one software is found under the subject written by another. Throws `certificate-malformed`.
 */
export function canonicalName(name: Uint8Array): CanonicalName {
  return childrenOf(readDer(name, tag.sequence)).map((relative) =>
    childrenOf(relative).map(canonicalAttribute).sort().join(),
  );
}

/** Hexadecimal, so that no text can pretend to be two attributes. */
function canonicalAttribute(attribute: Der): string {
  const fields = new Fields(attribute);
  const type = fields.take(tag.oid).content.toString('hex');
  const value = fields.take();
  fields.end();
  if (!TEXT.has(value.tag)) return `${type}=${value.whole.toString('hex')}`;
  const text = value.content.toString('utf8').normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
  return `${type}:${Buffer.from(text).toString('hex')}`;
}
