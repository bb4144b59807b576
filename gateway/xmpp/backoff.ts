/** First wait after a broken stream, ms. RFC 6120 §3.3 wants it random: all of a partner's peers lost it at once. */
const FIRST_MS = 500;
const LONGEST_MS = 60_000;

/** Truncated binary exponential back-off with jitter over the upper half, ms. `random` in [0, 1). */
export function backoffMs(failures: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 20));
  return Math.round(ceiling * (0.5 + random / 2));
}
