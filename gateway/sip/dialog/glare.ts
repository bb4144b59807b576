import type { Random } from './random.ts';

const UNIT_MS = 10;

/**
 * How long to wait, ms, before a change of the session that met one of the peer's (491) is tried again: 2.1–4 s for who
 * made the Call-ID, 0–2 s for the other, in units of 10 ms, so that they do not meet again (RFC 3261 §14.1).
 */
export function glareDelay(ownsCallId: boolean, random: Random): number {
  const [least, most] = ownsCallId ? [2_100, 4_000] : [0, 2_000];
  const units = (most - least) / UNIT_MS + 1;
  return least + UNIT_MS * Math.floor(random.fraction() * units);
}

/** Seconds for the Retry-After of a 500 to an overlapping INVITE: 0–10 (RFC 3261 §14.2). */
export function overlapDelay(random: Random): number {
  return Math.floor(random.fraction() * 11);
}
