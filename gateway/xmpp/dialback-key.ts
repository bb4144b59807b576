import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Dialback keys by XEP-0185 §3: recomputed, never stored, so that any node that knows the secret can answer for a key
 * of another.
 */
export class DialbackKeys {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = createHash('sha256').update(secret).digest('hex');
  }

  /** Lower-case hex HMAC-SHA256 over `receiving originating stream-id`. */
  key(receiving: string, originating: string, streamId: string): string {
    return createHmac('sha256', this.#secret).update(`${receiving} ${originating} ${streamId}`).digest('hex');
  }

  /** Whether a key is ours, compared in constant time. */
  verify(key: string, receiving: string, originating: string, streamId: string): boolean {
    const expected = Buffer.from(this.key(receiving, originating, streamId));
    const actual = Buffer.from(key);
    return actual.length === expected.length && timingSafeEqual(actual, expected);
  }
}
