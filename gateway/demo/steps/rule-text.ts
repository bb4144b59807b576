import { basename, dirname } from 'node:path';
import type { LogLine } from '../log-line.ts';

/** The policy line that a log line names, e.g. `policies/fabrikam.example.yaml:5`; '' where it names none. */
export function ruleText({ rule }: LogLine): string {
  if (typeof rule !== 'object' || rule === null || !('file' in rule) || !('line' in rule)) return '';
  const file = String(rule.file);
  return `${basename(dirname(file))}/${basename(file)}:${rule.line}`;
}
