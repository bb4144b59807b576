import type { Stanza } from './stanza.ts';

/** What the outbox keeps in one row: the bytes of some stanzas, each behind its length (32 bits, big-endian). */
export function packLot(stanzas: readonly Stanza[]): Buffer {
  let length = 0;
  for (const { bytes } of stanzas) length += 4 + bytes.length;
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { bytes } of stanzas) {
    at = body.writeUInt32BE(bytes.length, at);
    at += bytes.copy(body, at);
  }
  return body;
}

/** The bytes of each stanza of a lot, in order. */
export function* unpackLot(body: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const start = at + 4;
    at = start + bytes.readUInt32BE(at);
    yield bytes.subarray(start, at);
  }
}
