import type * as z from 'zod/mini';
import { defaultOf, groupIn } from './describe.ts';
import { faultsOf } from './faults.ts';
import { ABOUT } from './fields.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A value of the configuration and where it comes from. */
export type Setting = {
  /** The name of the option after the names of its groups, joined by dots: `chains.8453.confirmations`. */
  readonly path: string;
  readonly value: unknown;
  /** The place in the configuration file, the environment variable, the preset of the chain, or `default`. */
  readonly origin: string;
  /** Whether the value must not be printed. URLs are redacted in any case. */
  readonly isSecret: boolean;
};

/** An environment variable without effect, and why: the variable `used` sets the same option differently, or no option reads it. */
export type IgnoredVariable = { readonly ignored: string; readonly used?: string; readonly reason: string };

/** Values that replace the defaults of a group of options, and where they come from. */
export type Preset = { readonly origin: string; readonly values: Readonly<Record<string, unknown>> };

type OptionSource = {
  /** The environment variables that set the option. Default: those that the option's documentation (`ABOUT`) names. */
  readonly variables?: readonly string[];
  /** Turns the text of a variable into the value to check. Default: the text itself. */
  readonly parse?: (text: string) => unknown;
  /** A value that replaces the default of the option, and its origin. */
  readonly preset?: Pick<Setting, 'value' | 'origin'> | undefined;
};

/** Returns whether a variable is set to a value that is not empty. */
export function isSet(value: unknown): value is string {
  return value !== undefined && value !== '';
}

/** Reads each option from the first source that sets it: the file, the environment, a preset, the default. Collects faults and origins. */
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

  /** Returns the environment variable or the place in the file that set an option. Undefined if the option was not set. */
  readonly placeOf = (path: string): string | undefined => this.#places.get(path);

  /** Reads the options of a group. `path` names the group and the groups around it. It is empty for the outermost group. */
  group(shape: z.core.$ZodShape, file: unknown, path: string, preset?: Preset): object {
    const given = (file ?? {}) as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      Object.entries(shape).map(([name, schema]) => {
        const at = path === '' ? name : `${path}.${name}`;
        const inner = schema._zod.def.type === 'prefault' ? groupIn(schema) : undefined;
        if (inner !== undefined) return [name, this.group(inner.shape, given[name], at)];
        const value = preset?.values[name];
        const source = preset === undefined || value === undefined ? {} : { preset: { value, origin: preset.origin } };
        return [name, this.option(schema, given[name], at, source)];
      }),
    );
  }

  /** Reads one option. Reports no faults of a value from the file, because the whole file was checked before. */
  option(schema: z.core.$ZodType, fileValue: unknown, path: string, source: OptionSource = {}): unknown {
    const leaf = schema as z.ZodMiniType;
    const { isSecret = false, variables: documented = [] } = ABOUT.get(schema) ?? {};
    const take = (value: unknown, origin: string) => {
      this.settings.push({ path, value, isSecret, origin });
      return value;
    };
    const takeFrom = (place: string, value: unknown) => {
      this.#places.set(path, place);
      return take(value, place);
    };
    if (fileValue !== undefined) return takeFrom(`${this.#file} ${path}`, leaf.safeParse(fileValue).data);
    const { variables = documented, parse = (text: string) => text, preset } = source;
    const [name, ...others] = variables.filter((variable) => isSet(this.#env[variable]));
    if (name === undefined) {
      return preset === undefined ? take(defaultOf(schema), 'default') : take(preset.value, preset.origin);
    }
    for (const other of others) {
      if (this.#env[other]?.trim() === this.#env[name]?.trim()) continue;
      this.ignored.push({ ignored: other, used: name, reason: `it differs from ${name}` });
    }
    const value = parse(this.#env[name] ?? '');
    const parsed = leaf.safeParse(value);
    if (!parsed.success) this.faults.push(...faultsOf(schema, value, name, parsed.error.issues));
    return takeFrom(name, parsed.data);
  }
}
