import type { z } from 'zod';

type Schema = z.core.$ZodType;

/** The keys an object may have at `path` of a schema, of all branches where it is a union. */
export function keysAt(schema: Schema, path: readonly PropertyKey[]): string[] {
  const keys = schemasAt(schema, path).flatMap((one) => {
    const def = defOf(one);
    return def.type === 'object' ? Object.keys(def.shape) : [];
  });
  return [...new Set(keys)];
}

/** What the schema says the key at `path` means. */
export function descriptionAt(schema: Schema, path: readonly PropertyKey[]): string | undefined {
  const last = path.at(-1);
  if (last === undefined) return undefined;
  for (const holder of schemasAt(schema, path.slice(0, -1))) {
    for (const child of children(holder, last)) {
      for (let layer: Schema | undefined = child; layer !== undefined; layer = inner(layer)[0]) {
        const { description } = layer as { description?: string };
        if (description !== undefined) return description;
      }
    }
  }
  return undefined;
}

function schemasAt(schema: Schema, path: readonly PropertyKey[]): Schema[] {
  let level = bared(schema);
  for (const part of path) level = level.flatMap((one) => children(one, part)).flatMap(bared);
  return level;
}

/** A schema without its wrappers (default, optional, transform); a union as its branches. */
function bared(schema: Schema): Schema[] {
  const layers = inner(schema);
  return layers.length === 0 ? [schema] : layers.flatMap(bared);
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
