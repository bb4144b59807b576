import type { PageRequest } from '../../interwork/page-message.ts';

/**
 * Bytes of what the stack adds to a request: Via with a branch of 128 bits, tag, Call-ID, CSeq, Max-Forwards, User-Agent,
 * Content-Length, and the names of the headers counted below.
 */
const ADDED = 400;

/** Bytes that a MESSAGE has on the wire, as near as can be told before it is sent. */
export function pageSize({ target, from, to, callId = '', headers, body }: PageRequest): number {
  const written = headers.reduce((total, [name, value]) => total + name.length + Buffer.byteLength(value) + 4, 0);
  return (
    ADDED +
    target.length +
    from.uri.length +
    to.uri.length +
    callId.length +
    written +
    body.type.length +
    body.content.length
  );
}
