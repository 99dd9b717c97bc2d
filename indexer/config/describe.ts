import type * as z from 'zod/mini';

/** The schema of a group of options, without the wrappers that make it optional or add a default. */
export type Group = z.core.$ZodObject['_zod']['def'];

/** Returns the group of options inside the wrappers of a schema. Undefined if the schema is no group. */
export function groupIn(schema: z.core.$ZodType): Group | undefined {
  const { def } = schema._zod as z.core.$ZodTypes['_zod'];
  switch (def.type) {
    case 'object':
      return def as Group;
    case 'optional':
    case 'default':
    case 'prefault':
    case 'readonly':
      return groupIn(def.innerType);
    case 'union':
      return def.options.map(groupIn).find((found) => found !== undefined);
    default:
      return undefined;
  }
}

/** Returns the group of options at a path of a schema. The path may lead through elements of lists and records. */
export function partAt(schema: z.core.$ZodType, [key, ...rest]: readonly PropertyKey[]): Group | undefined {
  if (key === undefined) return groupIn(schema);
  const inner = groupIn(schema)?.shape[String(key)] ?? elementOf(schema);
  return inner && partAt(inner, rest);
}

/** Returns the schema of the elements of a list or record. */
function elementOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const { def } = schema._zod as z.core.$ZodTypes['_zod'];
  switch (def.type) {
    case 'array':
      return def.element;
    case 'record':
      return def.valueType;
    case 'optional':
    case 'default':
    case 'readonly':
      return elementOf(def.innerType);
    default:
      return undefined;
  }
}

/** Returns the default of an option. Undefined if it has none. */
export function defaultOf(schema: z.core.$ZodType): unknown {
  const { def } = schema._zod as z.core.$ZodTypes['_zod'];
  return def.type === 'default' ? def.defaultValue : undefined;
}
