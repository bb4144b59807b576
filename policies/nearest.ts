/** Longest text compared: what is longer is no misspelt key, and the comparison costs length squared. */
const LONGEST = 64;

/** The candidate a person most likely meant by `text`, or undefined where none is near. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  const first = byNearness(text, candidates)[0];
  if (first === undefined) return undefined;
  const allowed = Math.max(1, Math.floor(Math.max(text.length, first.length) / 2.5));
  return distance(text, first) <= allowed ? first : undefined;
}

/** The candidates, nearest to `text` first; equally near ones keep their order. */
export function byNearness(text: string, candidates: Iterable<string>): string[] {
  return [...candidates]
    .map((candidate) => ({ candidate, far: distance(text, candidate) }))
    .sort((a, b) => a.far - b.far)
    .map(({ candidate }) => candidate);
}

/**
 * Levenshtein distance, with two neighbours swapped as one edit; a difference in case counts less than one edit, a
 * shortened or lengthened word as one.
 */
export function distance(a: string, b: string): number {
  const one = a.slice(0, LONGEST).toLowerCase();
  const other = b.slice(0, LONGEST).toLowerCase();
  if (one === other) return a === b ? 0 : 0.5;
  if (one !== '' && other !== '' && (one.startsWith(other) || other.startsWith(one))) return 1;
  let twoAbove: number[] = [];
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1];
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      const edits = [
        cell(above, column - 1) + (same ? 0 : 1),
        cell(above, column) + 1,
        cell(current, column - 1) + 1,
        row > 1 && column > 1 && swapped ? cell(twoAbove, column - 2) + 1 : Number.POSITIVE_INFINITY,
      ];
      current.push(Math.min(...edits));
    }
    [twoAbove, above] = [above, current];
  }
  return cell(above, other.length);
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? 0;
}
