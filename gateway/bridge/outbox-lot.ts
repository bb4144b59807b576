import type { LotRow, OutboxTable } from '../store/outbox-table.ts';
import type { Stanza } from './stanza.ts';

/** Before each stanza stands its length: 32 bits, big-endian. */
const LENGTH_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** What the outbox keeps in one row: the bytes of some stanzas, each behind its length. */
export function packLot(stanzas: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const bytes of stanzas) length += LENGTH_BYTES + bytes.length;
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  for (const bytes of stanzas) {
    at = body.writeUInt32BE(bytes.length, at);
    body.set(bytes, at);
    at += bytes.length;
  }
  return body;
}

/** The body of a lot from `first` on without the stanzas of these tickets: nothing stands in their places. */
export function emptyPlaces(body: Uint8Array, first: number, tickets: ReadonlySet<number>): Buffer {
  return packLot(Array.from(unpackLot(body), (bytes, offset) => (tickets.has(first + offset) ? NOTHING : bytes)));
}

/** The bytes of each stanza of a lot, in order; none in the place of one that is settled. */
export function* unpackLot(body: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const start = at + LENGTH_BYTES;
    at = start + bytes.readUInt32BE(at);
    yield bytes.subarray(start, at);
  }
}

/** Bytes of the stanzas of a lot, by its count and the size of its body. */
export function bytesOfLot({ count, size }: { readonly count: number; readonly size: number }): number {
  return size - count * LENGTH_BYTES;
}

/** What a row holds, read back, undefined in the places of those that are settled; nothing where it is gone. */
export function readLot(
  { table, read }: { readonly table: Pick<OutboxTable, 'body'>; read(bytes: Buffer): Stanza },
  { first, queue, at }: LotRow,
): (Stanza | undefined)[] {
  const body = table.body(first);
  if (body === undefined) return [];
  return Array.from(unpackLot(body), (bytes, offset) =>
    bytes.length === 0 ? undefined : { ...read(bytes), kept: { queue, ticket: first + offset, since: at } },
  );
}
