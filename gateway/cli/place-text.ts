import { relative } from 'node:path';
import type { Place } from '../../policies/fault.ts';

/** A path as a person in this folder writes it: relative where it lies below, else absolute. */
export function pathText(file: string): string {
  const path = relative(process.cwd(), file);
  return path === '' || path.startsWith('..') ? file : path;
}

/** `policies/a.yaml:3:1`, which editors and terminals open. */
export function placeText({ file, line, column }: Place): string {
  return `${pathText(file)}:${line}:${column}`;
}
