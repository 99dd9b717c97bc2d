import type { ClusterNode, RedisOptions } from 'ioredis';
import type { Transport } from 'viem';
import * as z from 'zod/mini';
import { messageOf } from '../kernel/errors.ts';

/** What the documentation says about an option, besides its name and its default. */
export type About = {
  /** One or more sentences in Markdown. */
  readonly description: string;
  readonly unit?: string;
  /** What applies if the option is not set and has no constant default. */
  readonly otherwise?: string;
  /** The environment variables that set the option, the preferred one first. */
  readonly variables?: readonly string[];
  /** Whether the value must not be printed. */
  readonly isSecret?: boolean;
  /** What `.env.example` shows after the name of the first variable. */
  readonly example?: string;
};

/** The documentation of each option, by the option's schema. */
export const ABOUT = z.registry<About>();
/** The values that a schema accepts, in Markdown. */
export const VALUES = z.registry<{ readonly values: string }>();

/** Declares an option without a default. */
export function option<T extends z.ZodMiniType>(schema: T, about: About) {
  return described(z.optional(schema), about);
}

/** Declares an option with a default. */
export function optionOr<T extends z.ZodMiniType>(value: z.output<T> & {}, schema: T, about: About) {
  return described(z._default(schema, value as never), about);
}

/** Declares an option that is a group of options. */
export function group<T extends z.ZodMiniObject>(options: T, about: About) {
  return described(z.prefault(options, {} as never), about);
}

function described<T extends z.core.$ZodType>(schema: T, about: About): T {
  ABOUT.add(schema, about);
  return schema;
}

/** Accepts a whole number between two bounds. A string of digits, as in an environment variable, is converted to a number. */
export function wholeNumber(least: number, most: number) {
  const isWithin = (value: unknown) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  const read = (value: number) => (typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value);
  const schema = z.pipe(
    z.pipe(z.custom<number>(), z.transform(read)),
    z.custom<number>(isWithin, `must be a whole number from ${least} to ${most}`),
  );
  return schema.register(VALUES, { values: `${least} to ${most}` });
}

/** Accepts an amount in the smallest unit of a token: a positive integer as a text or a `bigint`. */
export function amount() {
  const isAmount = (value: unknown) => /^[1-9][0-9]{0,77}$/.test(String(value)) && typeof value !== 'number';
  const schema = z.pipe(
    z.custom<string | bigint>(isAmount, 'must be a positive whole number, as a string or a bigint'),
    z.transform((value) => BigInt(value)),
  );
  return schema.register(VALUES, { values: "a whole number as text, such as `'1000000000000000000'`, or a `bigint`" });
}

/** Accepts one of several words. */
export function oneOf<const T extends readonly string[]>(words: T) {
  const isOne = (value: unknown) => words.includes(value as string);
  const schema = z.custom<T[number]>(isOne, `must be one of ${words.join(', ')}`);
  return schema.register(VALUES, { values: words.map((word) => `\`${word}\``).join(', ') });
}

/** Accepts a text that is not empty. */
export function nonEmptyText() {
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  return z.custom<string>(isText, 'must be a string that is not empty');
}

/** Accepts a URL with one of several protocols, and removes spaces around it. */
export function urlOf(...protocols: readonly string[]) {
  const message = `must be a URL that begins with ${protocols.map((name) => `${name}://`).join(' or ')}`;
  const isUrl = (value: string) => URL.canParse(value) && protocols.includes(new URL(value).protocol.slice(0, -1));
  const schema = z.string(message).check(z.trim(), z.refine(isUrl, message));
  return schema.register(VALUES, { values: protocols.map((name) => `\`${name}://…\``).join(', ') });
}

/** Accepts an object that maps the names of HTTP headers to their values. */
export function headers() {
  const message = 'is not a valid HTTP header';
  return z.record(z.string(), z.string(message)).check(({ value, issues }) => {
    for (const [name, header] of Object.entries(value)) {
      if (!isHeader(name, header)) issues.push({ code: 'custom', input: undefined, path: [name], message });
    }
  });
}

/** Accepts a viem transport. Constructs it once, to find out whether viem accepts its options. Constructing it opens no connection. */
export function viemTransport(message: string) {
  const isFunction = (value: unknown) => typeof value === 'function';
  return z.custom<Transport>(isFunction, { error: message, params: IS_WRONG_TYPE }).check(({ value, issues }) => {
    try {
      if (typeof value({ retryCount: 0 }).request !== 'function')
        issues.push({ code: 'custom', input: undefined, message });
    } catch (error) {
      const [reason] = messageOf(error).split('\n');
      issues.push({ code: 'custom', input: undefined, message: `viem refuses this transport: ${reason}` });
    }
  });
}

/**
 * Marks a fault: the value is of another type than this branch of a union accepts. `faultsOf` then reports the faults of another branch.
 */
const IS_WRONG_TYPE = { isWrongType: true };

/** Accepts an object with options of ioredis. Only ioredis checks the options themselves. */
export function redisOptions() {
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  return z.custom<Readonly<RedisOptions>>(isObject, 'must be an object');
}

/** Accepts the nodes of a Redis Cluster. */
export function clusterNodes() {
  const isList = (value: unknown) => Array.isArray(value) && value.length > 0;
  return z.custom<readonly ClusterNode[]>(isList, 'must name at least one node');
}

/** Accepts a list of at least one element. Each element must fit `schema`. */
export function listOf<T extends z.ZodMiniType>(schema: T, emptyMessage: string) {
  return z.readonly(z.array(schema, emptyMessage).check(z.minLength(1, emptyMessage)));
}

function isHeader(name: string, value: unknown): boolean {
  try {
    return typeof value === 'string' && new Headers({ [name]: value }).has(name);
  } catch {
    return false;
  }
}
