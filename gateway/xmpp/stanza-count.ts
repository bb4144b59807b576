/** Counts of stanzas wrap here (XEP-0198 §4). */
export const LAPS = 2 ** 32;

/** The count behind this one. */
export function following(count: number): number {
  return (count + 1) % LAPS;
}

/** How far one count is behind another, 0 to 2^32 − 1: one that is ahead is very far behind. */
export function behind(count: number, other: number): number {
  return (((other - count) % LAPS) + LAPS) % LAPS;
}

/** The count in the attribute `h` of an element; undefined where it has none. */
export function readCount(bytes: Buffer): number | undefined {
  const h = Number(/\sh\s*=\s*['"](\d{1,10})['"]/.exec(bytes.toString())?.[1] ?? Number.NaN);
  return h < LAPS ? h : undefined;
}
