import type * as z from 'zod/mini';
import { ConfigError } from '../kernel/errors.ts';
import { KNOWN_CHAINS, knownChain } from './chains.ts';
import type { LogLevel, RedisSettings, RpcEndpoint } from './define.ts';
import { faultsOf } from './faults.ts';
import { type Environment, type IgnoredVariable, isSet, OptionReader, type Setting } from './option-reader.ts';
import { CHAIN, CHAIN_ID, PROXY, SETTINGS, UNUSED_VARIABLES } from './schema.ts';

/** The HTTP proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`). */
export type ProxySettings = Readonly<z.output<typeof PROXY>>;

/** The configuration of a chain that is followed. */
export type ChainConfig = Readonly<Omit<z.output<typeof CHAIN>, 'rpcUrls'>> & {
  readonly chainId: number;
  readonly rpcUrls: readonly RpcEndpoint[];
  /** The environment variable or the place in the file that names the endpoints. Messages contain it. */
  readonly variable: string;
  /** Undefined if the environment names no proxy. */
  readonly proxy?: ProxySettings | undefined;
};

/** The complete and validated configuration. */
export type Config = {
  readonly databaseUrl: string;
  /** Another URL of the same database, which leads to it without a pooler in between. Undefined if none is set. */
  readonly databaseDirectUrl: string | undefined;
  readonly queueUrl: string;
  /** The Redis of the queue, if one URL cannot describe it. Used instead of `queueUrl`. */
  readonly queueRedis: RedisSettings | undefined;
  /** Sorted by chain id. May be empty for commands that need no chain. */
  readonly chains: readonly ChainConfig[];
  readonly http: Readonly<z.output<typeof SETTINGS>['http']>;
  readonly ready: Readonly<z.output<typeof SETTINGS>['ready']>;
  readonly otlpEndpoint?: string | undefined;
  readonly logLevel: LogLevel;
  /** The environment variables or the places in the file that hold the URLs. Messages contain them. */
  readonly variables: {
    readonly databaseUrl: string;
    readonly databaseDirectUrl: string;
    readonly queueUrl: string;
  };
};

/** A part of the configuration that a command requires. */
export type Need = 'database' | 'chains';

/** A configuration, and where each of its values comes from. */
export type Resolution = {
  readonly config: Config;
  readonly settings: readonly Setting[];
  /** The variables that the program knows and that have no effect. */
  readonly ignored: readonly IgnoredVariable[];
};

const RPC_URL_VARIABLE = /^RPC_URL_(.*)$/;

/**
 * Returns the settings of a configuration file, completed from the environment and then from the defaults.
 *
 * @param place the name of the file in messages
 * @throws {ConfigError} one error that lists every fault with its place. It quotes no URL, since URLs contain keys.
 */
export function resolveConfig(settings: unknown, place: string, env: Environment, needs: readonly Need[]): Config {
  return resolveSettings(settings, place, env, needs).config;
}

/** Returns what `resolveConfig` returns, and where each value comes from. */
export function resolveSettings(
  settings: unknown,
  place: string,
  env: Environment,
  needs: readonly Need[],
): Resolution {
  const parsed = SETTINGS.safeParse(settings);
  const faults = parsed.success ? [] : [...faultsOf(SETTINGS, settings, place, parsed.error.issues)];
  const read = new OptionReader(place, env, faults);
  const file = isObject(settings) ? settings : {};
  const { chains: _, ...shape } = SETTINGS.shape;
  const values = read.group(shape, file, '') as Omit<z.output<typeof SETTINGS>, 'chains'>;
  const proxy = read.group(PROXY.shape, {}, '') as ProxySettings;
  const { databaseUrl = '', databaseDirectUrl, queueUrl } = values;
  const [database, direct, queue] = (['databaseUrl', 'databaseDirectUrl', 'queueUrl'] as const).map(read.placeOf);
  if (needs.includes('database') && database === undefined) {
    faults.unshift('DATABASE_URL: is not set; set it to the URL of the database, as postgres://…');
  }
  const chains = readChains(read, isObject(file.chains) ? file.chains : {}, env);
  if (needs.includes('chains') && chains.length === 0 && !faults.some((fault) => fault.includes('RPC_URL_'))) {
    const nameless = isSet(env.RPC_URL) ? ' (RPC_URL is set, but names no chain)' : '';
    faults.push(`RPC_URL_<chainId>: none is set${nameless}; set one for each chain to follow, as RPC_URL_1=https://…`);
  }
  if (faults.length > 0) {
    throw new ConfigError(`the configuration is wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`, {
      context: { faults },
    });
  }
  const hasProxy = proxy.httpProxy !== undefined || proxy.httpsProxy !== undefined;
  const config: Config = {
    ...values,
    databaseUrl,
    databaseDirectUrl,
    queueUrl: queueUrl ?? databaseDirectUrl ?? databaseUrl,
    queueRedis: values.queueRedis,
    chains: hasProxy ? chains.map((chain) => ({ ...chain, proxy })) : chains,
    variables: {
      databaseUrl: database ?? 'DATABASE_URL',
      databaseDirectUrl: direct ?? 'DATABASE_DIRECT_URL',
      queueUrl: queue ?? direct ?? database ?? 'QUEUE_URL',
    },
  };
  return { config, settings: withQueue(read.settings, config), ignored: [...read.ignored, ...unusedIn(env)] };
}

/** Returns the variables of the platform that are set and that the program does not use. */
function unusedIn(env: Environment): readonly IgnoredVariable[] {
  return Object.entries(UNUSED_VARIABLES).flatMap(([ignored, reason]) =>
    isSet(env[ignored]) ? { ignored, reason } : [],
  );
}

/**
 * If `queueUrl` is not set, gives this setting the URL of the database and the origin of that URL. The queue is in that database unless
 * `queueRedis` is set.
 */
function withQueue(settings: readonly Setting[], { queueUrl, variables }: Config): readonly Setting[] {
  return settings.map((setting) => {
    if (setting.path !== 'queueUrl' || setting.value !== undefined || queueUrl === '') return setting;
    return { ...setting, value: queueUrl, origin: variables.queueUrl };
  });
}

/** Reads the chains of the file and of the environment, sorted by their ids. */
function readChains(
  read: OptionReader,
  file: Readonly<Record<string, unknown>>,
  env: Environment,
): readonly ChainConfig[] {
  const ids = new Set(Object.keys(file).filter((id) => CHAIN_ID.safeParse(id).success));
  for (const [name, value] of Object.entries(env)) {
    const id = RPC_URL_VARIABLE.exec(name)?.[1];
    if (id === undefined || !isSet(value)) continue;
    const parsed = CHAIN_ID.safeParse(id);
    if (parsed.success) ids.add(id);
    else read.faults.push(...faultsOf(CHAIN_ID, id, name, parsed.error.issues));
  }
  for (const { chainId, variables } of KNOWN_CHAINS) {
    if (variables.some((name) => isSet(env[name]))) ids.add(String(chainId));
  }
  return [...ids]
    .map(Number)
    .sort((a, b) => a - b)
    .map((chainId) => readChain(read, chainId, file[chainId]));
}

function readChain(read: OptionReader, chainId: number, given: unknown): ChainConfig {
  const path = `chains.${chainId}`;
  const { rpcUrls: endpoints, ...shape } = CHAIN.shape;
  const file = isObject(given) ? given : {};
  const known = knownChain(chainId);
  const variables = [`RPC_URL_${chainId}`, ...(known?.variables ?? [])];
  const rpcUrls = read.option(endpoints, file.rpcUrls, `${path}.rpcUrls`, {
    variables,
    parse: (text) => text.split(','),
  }) as readonly RpcEndpoint[] | undefined;
  const place = read.placeOf(`${path}.rpcUrls`);
  if (place === undefined) read.faults.push(`RPC_URL_${chainId}: must name at least one endpoint`);
  const preset = known?.preset && { origin: `preset of ${known.name}`, values: known.preset };
  const values = read.group(shape, file, path, preset) as Omit<z.output<typeof CHAIN>, 'rpcUrls'>;
  if (rpcUrls !== undefined && values.quorum > rpcUrls.length) {
    const count = `${rpcUrls.length} endpoint${rpcUrls.length > 1 ? 's' : ''}`;
    read.faults.push(
      `${read.placeOf(`${path}.quorum`)}: must be at most the number of endpoints; the chain has ${count}`,
    );
  }
  return { chainId, rpcUrls: rpcUrls ?? [], variable: place ?? `RPC_URL_${chainId}`, ...values };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
