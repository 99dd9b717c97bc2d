import { ConfigError } from '../kernel/errors.ts';
import { type ChainSettings, LOG_LEVELS, type LogLevel, type RedisSettings } from './define.ts';

/** One chain to follow. */
export type ChainConfig = {
  readonly chainId: number;
  readonly rpcUrls: readonly string[];
  readonly pollIntervalMs: number;
  readonly confirmations: number;
  readonly haltDepth: number;
};

/** The configuration as the program uses it: complete and checked. */
export type Config = {
  readonly databaseUrl: string;
  readonly queueUrl: string;
  /** In the place of `queueUrl`. */
  readonly queueRedis: RedisSettings | undefined;
  /** By ascending chain id; may be empty for commands that need no chain. */
  readonly chains: readonly ChainConfig[];
  readonly http: { readonly host: string; readonly port: number };
  readonly logLevel: LogLevel;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command cannot do without. */
export type Need = 'database' | 'chains';

const DEFAULT_CHAIN = { pollIntervalMs: 1_000, confirmations: 64, haltDepth: 1_024 };
const POLL_INTERVAL_MAX_MS = 3_600_000;
const DEPTH_MAX_BLOCKS = 1_000_000;
const RPC_URL_VARIABLE = /^RPC_URL_(.*)$/;

/**
 * Merges a configuration file's settings with the environment and the defaults, the file first.
 *
 * @param place how messages call the file
 * @throws {ConfigError} one error that names every fault and where it is; it quotes no URL, since those carry keys.
 */
export function resolveConfig(settings: unknown, place: string, env: Environment, needs: readonly Need[]): Config {
  const faults: string[] = [];
  const read = new Reader(faults);
  const file = read.object(settings, place, ['databaseUrl', 'queueUrl', 'queueRedis', 'chains', 'http', 'logLevel']);
  const http = read.object(file.http ?? {}, `${place} http`, ['host', 'port']);

  const databaseUrl = read.url(...pick(file.databaseUrl, `${place} databaseUrl`, env, 'DATABASE_URL'), POSTGRES);
  if (databaseUrl === undefined && needs.includes('database') && !isSet(file.databaseUrl ?? env.DATABASE_URL)) {
    faults.push('DATABASE_URL: is not set; it is the database to keep the mirror in, as postgres://…');
  }
  const queueUrl = read.url(...pick(file.queueUrl, `${place} queueUrl`, env, 'QUEUE_URL'), QUEUE);
  const config: Config = {
    databaseUrl: databaseUrl ?? '',
    queueUrl: queueUrl ?? databaseUrl ?? '',
    queueRedis: readRedis(read, file.queueRedis, `${place} queueRedis`),
    chains: readChains(read, file.chains, place, env),
    http: {
      host: read.text(...pick(http.host, `${place} http.host`, env, 'HTTP_HOST')) ?? '127.0.0.1',
      port: read.integer(...pick(http.port, `${place} http.port`, env, 'HTTP_PORT'), 0, 65_535) ?? 8080,
    },
    logLevel: read.oneOf(...pick(file.logLevel, `${place} logLevel`, env, 'LOG_LEVEL'), LOG_LEVELS) ?? 'info',
  };
  if (needs.includes('chains') && config.chains.length === 0 && !faults.some((fault) => fault.includes('RPC_URL_'))) {
    faults.push('RPC_URL_<chainId>: none is set; name one for each chain to follow, as RPC_URL_1=https://…');
  }
  if (faults.length > 0) {
    throw new ConfigError(`the configuration is wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`, {
      context: { faults },
    });
  }
  return config;
}

/** What stands in `options` is ioredis' own, and is checked by it. */
function readRedis(read: Reader, given: unknown, place: string): RedisSettings | undefined {
  if (given === undefined) return undefined;
  const redis = read.object(given, place, ['options', 'cluster']);
  if (redis.options !== undefined) read.object(redis.options, `${place}.options`);
  if (redis.cluster !== undefined && !(Array.isArray(redis.cluster) && redis.cluster.length > 0)) {
    read.fault(`${place}.cluster`, 'must name at least one node');
  }
  return redis as RedisSettings;
}

function readChains(read: Reader, given: unknown, place: string, env: Environment): readonly ChainConfig[] {
  const settings = given === undefined ? {} : read.object(given, `${place} chains`);
  const urls = new Map<string, readonly [unknown, string]>();
  for (const id of Object.keys(settings)) {
    if (read.chainId(id, `${place} chains.${id}`)) urls.set(id, [undefined, `RPC_URL_${id}`]);
  }
  for (const [name, value] of Object.entries(env)) {
    const id = RPC_URL_VARIABLE.exec(name)?.[1];
    if (id !== undefined && isSet(value) && read.chainId(id, name)) urls.set(id, [value, name]);
  }
  return [...urls]
    .map(([id, [value, name]]) => readChain(read, Number(id), settings[id] ?? {}, `${place} chains.${id}`, value, name))
    .sort((a, b) => a.chainId - b.chainId);
}

function readChain(
  read: Reader,
  chainId: number,
  given: unknown,
  place: string,
  environmentUrls: unknown,
  variable: string,
): ChainConfig {
  const known: readonly (keyof ChainSettings)[] = ['rpcUrls', 'pollIntervalMs', 'confirmations', 'haltDepth'];
  const chain = read.object(given, place, known);
  const optional = (key: keyof typeof DEFAULT_CHAIN, least: number, most: number) =>
    read.integer(chain[key], `${place}.${key}`, least, most) ?? DEFAULT_CHAIN[key];
  const rpcUrls =
    chain.rpcUrls === undefined
      ? read.urls(typeof environmentUrls === 'string' ? environmentUrls.split(',') : [], variable)
      : read.urls(chain.rpcUrls, `${place}.rpcUrls`);
  return {
    chainId,
    rpcUrls,
    pollIntervalMs: optional('pollIntervalMs', 10, POLL_INTERVAL_MAX_MS),
    confirmations: optional('confirmations', 0, DEPTH_MAX_BLOCKS),
    haltDepth: optional('haltDepth', 1, DEPTH_MAX_BLOCKS),
  };
}

/** The file's value with its place, else the environment's. */
function pick(fileValue: unknown, place: string, env: Environment, variable: string): [unknown, string] {
  if (fileValue !== undefined) return [fileValue, place];
  return [isSet(env[variable]) ? env[variable] : undefined, variable];
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== '';
}

const POSTGRES = ['postgres:', 'postgresql:'];
const QUEUE = ['redis:', 'rediss:', ...POSTGRES];
const RPC = ['http:', 'https:', 'ws:', 'wss:'];

/** Reads single values and collects what is wrong with them; `undefined` stands for what is absent or wrong. */
class Reader {
  readonly #faults: string[];

  constructor(faults: string[]) {
    this.#faults = faults;
  }

  fault(place: string, what: string): void {
    this.#faults.push(`${place}: ${what}`);
  }

  object(value: unknown, place: string, known?: readonly string[]): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#faults.push(`${place}: must be an object`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known !== undefined && !known.includes(key)) {
        this.#faults.push(`${place}: knows no '${key}'; it takes ${known.join(', ')}`);
      }
    }
    return value as Readonly<Record<string, unknown>>;
  }

  chainId(id: string, place: string): boolean {
    const ok = /^[1-9][0-9]{0,15}$/.test(id) && Number.isSafeInteger(Number(id));
    if (!ok) this.#faults.push(`${place}: the chain id must be a positive decimal number, as in RPC_URL_1`);
    return ok;
  }

  text(value: unknown, place: string): string | undefined {
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    this.#faults.push(`${place}: must be a text that is not empty`);
    return undefined;
  }

  integer(value: unknown, place: string, least: number, most: number): number | undefined {
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number;
    this.#faults.push(`${place}: must be a whole number from ${least} to ${most}`);
    return undefined;
  }

  oneOf<const T extends string>(value: unknown, place: string, choices: readonly T[]): T | undefined {
    if (value === undefined || choices.includes(value as T)) return value as T | undefined;
    this.#faults.push(`${place}: must be one of ${choices.join(', ')}`);
    return undefined;
  }

  url(value: unknown, place: string, protocols: readonly string[]): string | undefined {
    if (value === undefined) return undefined;
    const url = typeof value === 'string' ? value.trim() : '';
    if (URL.canParse(url) && protocols.includes(new URL(url).protocol)) return url;
    this.#faults.push(`${place}: is no URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    return undefined;
  }

  urls(value: unknown, place: string): readonly string[] {
    if (!Array.isArray(value) || value.length === 0) {
      this.#faults.push(`${place}: must name at least one endpoint`);
      return [];
    }
    return value.flatMap(
      (url, i) => this.url(url, value.length === 1 ? place : `${place}, endpoint ${i + 1}`, RPC) ?? [],
    );
  }
}
