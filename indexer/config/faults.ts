import type * as z from 'zod/mini';
import { partAt } from './describe.ts';

type Issue = z.core.$ZodIssue;
/** The largest number of edits between a wrong name and the one that is suggested instead. */
const EDITS_MAX = 3;

/**
 * Returns one line for each fault that a schema found in a value: where the fault is, and what to do. The lines quote no part of the value,
 * because it may contain keys of providers.
 *
 * @param place the name of the configuration file or environment variable that holds the value
 */
export function faultsOf(
  schema: z.core.$ZodType,
  value: unknown,
  place: string,
  issues: readonly Issue[],
): readonly string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'invalid_union') {
      // Report the faults of the branch of the union whose type matches the value.
      const branch = issue.errors.find((errors) => !errors.some(isOtherType));
      if (branch !== undefined) {
        const nested = branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
        return faultsOf(schema, value, place, nested);
      }
    }
    const at = placeOf(issue.path, place, value);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${at}: ${unknownKey(key, Object.keys(partAt(schema, issue.path)?.shape ?? {}))}`);
    if (issue.code === 'invalid_key') return `${at}: ${issue.issues[0]?.message}`;
    const isObjectMissing = issue.code === 'invalid_type' && ['object', 'record'].includes(issue.expected);
    return `${at}: ${isObjectMissing ? 'must be an object' : issue.message}`;
  });
}

function isOtherType(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  return issue.code === 'invalid_type' || (issue.code === 'custom' && issue.params?.isWrongType === true);
}

/** Returns where a fault is: `config/local.ts chains.1.rpcUrls, endpoint 2.url`. The only endpoint of a list gets no number. */
function placeOf(path: readonly PropertyKey[], place: string, value: unknown): string {
  let text = '';
  let current = value;
  for (const key of path) {
    if (typeof key === 'number') text += Array.isArray(current) && current.length > 1 ? `, endpoint ${key + 1}` : '';
    else text += text === '' ? String(key) : `.${String(key)}`;
    current = (current as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key];
  }
  return text === '' || text.startsWith(',') ? `${place}${text}` : `${place} ${text}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, edits: editsBetween(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= EDITS_MAX && edits < name.length / 2)
    .sort((a, b) => a.edits - b.edits);
  const hint = nearest === undefined ? '' : `did you mean ${nearest.name}? `;
  return `unknown key '${key}'; ${hint}the keys are ${known.join(', ')}`;
}

/** Returns the Levenshtein distance of two words. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
