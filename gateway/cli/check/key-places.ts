import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { readDocument } from '../../../policies/document.ts';
import type { Place } from '../../../policies/fault.ts';
import type { Config } from '../../config/config.ts';

/** Where a key of gateway.yaml stands; where it is not written, its nearest ancestor that is. */
export type KeyPlaces = (...path: readonly PropertyKey[]) => Place;

/** The configuration under check, and where its keys stand. */
export interface Checked {
  readonly config: Config;
  readonly place: KeyPlaces;
}

/** Reads a gateway.yaml once more, for places only. */
export async function keyPlaces(file: string): Promise<KeyPlaces> {
  const reading = readDocument(await readFile(file, 'utf8'), file, z.unknown());
  if ('findings' in reading) return () => ({ file, line: 1, column: 1 });
  return (...path) => reading.source.place(path);
}
