const FIRST_MS = 500;
const LONGEST_MS = 60_000;

/** How long to wait after so many failures in a row, ms: twice as long each time, with jitter. `random` in [0, 1). */
export function retryMs(failures: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 20));
  return Math.round(ceiling * (0.5 + random / 2));
}
