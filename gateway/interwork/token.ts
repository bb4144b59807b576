import { createHash } from 'node:crypto';
import { decodeUtf8 } from './percent.ts';

const MARK = 'b64-';
const DIGEST = 'sha-';
/** Characters that a token may have until only its digest stands for it: a page-mode message has 1300 bytes in all. */
const LONGEST = 200;
/** Characters of a Call-ID (RFC 3261 §25.1) that no stack reads as anything else. */
const PLAIN = /^[A-Za-z0-9_.~*!%+-]+(?:@[A-Za-z0-9.-]+)?$/;

/**
 * A text of any characters as a token that fits a Call-ID or a Message-ID, the same for the same text: itself where it
 * can be, else written in base64, else, where it is very long, its digest. {@link fromToken} reads the first two.
 */
export function toToken(text: string): string {
  const plain = PLAIN.test(text) && !text.startsWith(MARK) && !text.startsWith(DIGEST);
  const token = plain ? text : MARK + Buffer.from(text).toString('base64url');
  return token.length <= LONGEST ? token : DIGEST + createHash('sha256').update(text).digest('hex');
}

/** The text that a token stands for; what {@link toToken} did not write stands for itself. */
export function fromToken(token: string): string {
  if (!token.startsWith(MARK)) return token;
  const text = decodeUtf8(Buffer.from(token.slice(MARK.length), 'base64url'));
  return text !== undefined && toToken(text) === token ? text : token;
}
