import type { Reading } from './document.ts';
import type { Written } from './partner.ts';

/** A key and its value as a policy file writes them, and where. */
export function written({ source }: Reading<unknown>, path: readonly PropertyKey[]): Written {
  const key = path.at(-1);
  const text = typeof key === 'string' ? `${key}: ${source.written(path)}` : source.written(path);
  return { place: source.keyPlace(path), text };
}
