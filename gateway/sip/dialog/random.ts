import { randomFillSync } from 'node:crypto';

/** Where randomness comes from; tests pass their own. */
export interface Random {
  /** 128 random bits in hex, for tags and Call-IDs. */
  token(): string;
  /** From 0 up to, not including, 1. */
  fraction(): number;
}

/** 128 bits. */
const TOKEN_BYTES = 16;
/** Drawn at once: a call to the generator costs the same for one token as for these. */
const pool = Buffer.alloc(256 * TOKEN_BYTES);
let used = pool.length;

export const systemRandom: Random = {
  token() {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += TOKEN_BYTES;
    return pool.toString('hex', used - TOKEN_BYTES, used);
  },
  fraction: () => Math.random(),
};
