import type { z } from 'zod';

type Schema = z.core.$ZodType;

/**
 * The keys an object may have at `path` of a schema: of all branches where it is a union, of one where `raw`, the value
 * as it was read, says which.
 */
export function keysAt(schema: Schema, path: readonly PropertyKey[], raw: unknown): string[] {
  const keys = schemasAt(schema, path, raw).flatMap((one) => {
    const def = defOf(one);
    return def.type === 'object' ? Object.keys(def.shape) : [];
  });
  return [...new Set(keys)];
}

/** What the schema says the key at `path` means. */
export function descriptionAt(schema: Schema, path: readonly PropertyKey[], raw: unknown): string | undefined {
  const last = path.at(-1);
  if (last === undefined) return undefined;
  for (const holder of schemasAt(schema, path.slice(0, -1), raw)) {
    for (const child of children(holder, last)) {
      for (let layer: Schema | undefined = child; layer !== undefined; layer = inner(layer)[0]) {
        const { description } = layer as { description?: string };
        if (description !== undefined) return description;
      }
    }
  }
  return undefined;
}

function schemasAt(schema: Schema, path: readonly PropertyKey[], raw: unknown): Schema[] {
  let value = raw;
  let level = bared(schema, value);
  for (const part of path) {
    value = memberOf(value, part);
    level = level.flatMap((one) => children(one, part)).flatMap((one) => bared(one, value));
  }
  return level;
}

/** The member of a map or list that was read; undefined where there is none. */
export function memberOf(value: unknown, key: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<PropertyKey, unknown>)[key];
}

/** A schema without its wrappers (default, optional, transform); a union as its branches. */
function bared(schema: Schema, value: unknown): Schema[] {
  const layers = inner(schema);
  if (layers.length === 0) return [schema];
  const meant = layers.filter((layer) => isChosen(schema, layer, value));
  return (meant.length === 0 ? layers : meant).flatMap((layer) => bared(layer, value));
}

/** Whether this branch of a discriminated union is the one that the value names. */
function isChosen(union: Schema, branch: Schema, value: unknown): boolean {
  const def = defOf(union);
  if (def.type !== 'union' || !('discriminator' in def)) return true;
  const key = String(def.discriminator);
  return children(branch, key).some((one) => {
    const named = defOf(one);
    return named.type === 'literal' && named.values.some((literal) => literal === memberOf(value, key));
  });
}

function inner(schema: Schema): readonly Schema[] {
  const def = defOf(schema);
  switch (def.type) {
    case 'optional':
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return [def.innerType];
    case 'pipe':
      return [def.in];
    case 'union':
      return def.options;
    default:
      return [];
  }
}

function children(schema: Schema, part: PropertyKey): readonly Schema[] {
  const def = defOf(schema);
  if (def.type === 'array') return [def.element];
  if (def.type === 'record') return [def.valueType];
  if (def.type !== 'object' || !Object.hasOwn(def.shape, part)) return [];
  const child = def.shape[String(part)];
  return child === undefined ? [] : [child];
}

function defOf(schema: Schema): z.core.$ZodTypes['_zod']['def'] {
  return (schema as z.core.$ZodTypes)._zod.def;
}
