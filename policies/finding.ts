import type { Place } from './fault.ts';

/** Something an administrator should know about a file: an `error` keeps the file from being used, a `warning` does not. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly place: Place;
  /** The key it is about, e.g. `presence[1].show`; '' for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** What the reader can do about it, one sentence. */
  readonly remedy?: string | undefined;
}

/** A key path as people write it: `presence[1].show`. */
export function keyPathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${String(part)}`;
  return text;
}

/** The same thing may be found once a partner or once a rule; it is said once. */
export function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [JSON.stringify([finding.place, finding.message]), finding])).values()];
}

/** Sorts by file, line and column. */
export function inOrder(findings: readonly Finding[]): Finding[] {
  return findings.toSorted(
    (a, b) => compareText(a.place.file, b.place.file) || a.place.line - b.place.line || a.place.column - b.place.column,
  );
}

/** One line for a terminal: `policies/a.yaml:3:1: error: … (remedy)`. */
export function findingText(finding: Finding): string {
  const { file, line, column } = finding.place;
  const remedy = finding.remedy === undefined ? '' : ` (${finding.remedy})`;
  return `${file}:${line}:${column}: ${finding.severity}: ${finding.message}${remedy}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
