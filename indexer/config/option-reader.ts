import type * as z from 'zod/mini';
import { defaultOf, groupIn } from './describe.ts';
import { faultsOf } from './faults.ts';
import { ABOUT } from './fields.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A value of the configuration and where it comes from. */
export type Setting = {
  /** The names of the options, joined by dots: `chains.8453.confirmations`. */
  readonly path: string;
  readonly value: unknown;
  /** The place in the file, the variable, or `default`. */
  readonly origin: string;
  /** Whether the value must not be printed. URLs are redacted in any case. */
  readonly isSecret: boolean;
};

/** Two variables that name one setting and have different values. */
export type IgnoredVariable = { readonly ignored: string; readonly used: string };

type OptionSource = {
  /** The variables that set the option, if its documentation does not name them. */
  readonly variables?: readonly string[];
  /** Turns the text of a variable into the value to check. Default: the text itself. */
  readonly parse?: (text: string) => unknown;
};

/** Returns whether a variable is set to a value that is not empty. */
export function isSet(value: unknown): value is string {
  return value !== undefined && value !== '';
}

/** Takes each option from the first that has it: the file, the environment, the default. Collects faults and origins. */
export class OptionReader {
  readonly faults: string[];
  readonly ignored: IgnoredVariable[] = [];
  readonly settings: Setting[] = [];
  readonly #file: string;
  readonly #env: Environment;
  readonly #places = new Map<string, string>();

  constructor(file: string, env: Environment, faults: string[]) {
    this.#file = file;
    this.#env = env;
    this.faults = faults;
  }

  /** Returns the variable that set an option, or its place in the file. Undefined if neither did. */
  readonly placeOf = (path: string): string | undefined => this.#places.get(path);

  /** Reads the options of a group. `path` is the name of the group, empty for the outermost one. */
  group(shape: z.core.$ZodShape, file: unknown, path: string): object {
    const given = (file ?? {}) as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      Object.entries(shape).map(([name, schema]) => {
        const at = path === '' ? name : `${path}.${name}`;
        const inner = schema._zod.def.type === 'prefault' ? groupIn(schema) : undefined;
        const value =
          inner === undefined ? this.option(schema, given[name], at) : this.group(inner.shape, given[name], at);
        return [name, value];
      }),
    );
  }

  /** Reads one option. The faults of the file's value were found before. */
  option(schema: z.core.$ZodType, fileValue: unknown, path: string, source: OptionSource = {}): unknown {
    const leaf = schema as z.ZodMiniType;
    const { isSecret = false, variables: documented = [] } = ABOUT.get(schema) ?? {};
    const take = (value: unknown, place?: string) => this.#take({ path, value, isSecret, origin: place ?? 'default' });
    if (fileValue !== undefined) return take(leaf.safeParse(fileValue).data, `${this.#file} ${path}`);
    const { variables = documented, parse = (text: string) => text } = source;
    const [name, ...others] = variables.filter((variable) => isSet(this.#env[variable]));
    if (name === undefined) return take(defaultOf(schema));
    for (const other of others) {
      if (this.#env[other]?.trim() !== this.#env[name]?.trim()) this.ignored.push({ ignored: other, used: name });
    }
    const value = parse(this.#env[name] ?? '');
    const parsed = leaf.safeParse(value);
    if (!parsed.success) this.faults.push(...faultsOf(schema, value, name, parsed.error.issues));
    return take(parsed.data, name);
  }

  #take(setting: Setting): unknown {
    if (setting.origin !== 'default') this.#places.set(setting.path, setting.origin);
    this.settings.push(setting);
    return setting.value;
  }
}
