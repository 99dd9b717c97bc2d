import { ConfigError } from '../kernel/errors.ts';
import {
  type ChainSettings,
  LOG_LEVELS,
  type LogLevel,
  PROOF_LEVELS,
  type ProofSettings,
  type RedisSettings,
  type RpcEndpoint,
} from './define.ts';
import { SettingReader } from './setting-reader.ts';

/** The HTTP proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`). */
export type ProxySettings = {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  readonly noProxy?: string | undefined;
};

/** The configuration of a chain that is followed. */
export type ChainConfig = {
  readonly chainId: number;
  readonly rpcUrls: readonly RpcEndpoint[];
  /** Undefined if the environment names no proxy. */
  readonly proxy?: ProxySettings | undefined;
  readonly pollIntervalMs: number;
  readonly confirmations: number;
  readonly haltDepth: number;
  /** 0 if nothing is verified on schedule. */
  readonly verifyIntervalHours: number;
  readonly proof: Required<ProofSettings>;
  readonly tokenUriCallsPerSecond: number;
};

/** The complete and validated configuration. */
export type Config = {
  readonly databaseUrl: string;
  /** Leads to the database without a pooler in between. */
  readonly databaseDirectUrl: string | undefined;
  readonly queueUrl: string;
  /** Used instead of `queueUrl`. */
  readonly queueRedis: RedisSettings | undefined;
  /** Sorted by chain id. May be empty for commands that need no chain. */
  readonly chains: readonly ChainConfig[];
  /** Whoever knows the token may change queues. Undefined: nobody may. */
  readonly http: { readonly host: string; readonly port: number; readonly token: string | undefined };
  /** From when on a chain is not ready. */
  readonly ready: { readonly lagBlocks: number; readonly stalledSeconds: number };
  readonly logLevel: LogLevel;
  /** Where traces are sent, by OTLP over HTTP. Undefined: nowhere. */
  readonly tracesUrl: string | undefined;
};

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A part of the configuration that a command requires. */
export type Need = 'database' | 'chains';

const SETTINGS = ['databaseUrl', 'databaseDirectUrl', 'queueUrl', 'queueRedis', 'chains', 'http', 'ready', 'logLevel'];
const DEFAULT_CHAIN = {
  pollIntervalMs: 1_000,
  confirmations: 64,
  haltDepth: 1_024,
  tokenUriCallsPerSecond: 10,
  verifyIntervalHours: 24,
};
const DEFAULT_PROOF: Required<ProofSettings> = { level: 'background', callsPerSecond: 10 };
const CALLS_PER_SECOND_MAX = 100_000;
const POLL_INTERVAL_MAX_MS = 3_600_000;
const DEPTH_MAX_BLOCKS = 1_000_000;
const VERIFY_INTERVAL_MAX_HOURS = 8_784;
const RPC_URL_VARIABLE = /^RPC_URL_(.*)$/;

/**
 * Returns the settings of a configuration file, completed from the environment and then from the defaults.
 *
 * @param place the name of the file in messages
 * @throws {ConfigError} one error that lists every fault with its place. It quotes no URL, since URLs contain keys.
 */
export function resolveConfig(settings: unknown, place: string, env: Environment, needs: readonly Need[]): Config {
  const faults: string[] = [];
  const read = new SettingReader(faults);
  const file = read.object(settings, place, SETTINGS);
  const http = read.object(file.http ?? {}, `${place} http`, ['host', 'port', 'token']);
  const ready = read.object(file.ready ?? {}, `${place} ready`, ['lagBlocks', 'stalledSeconds']);

  const databaseUrl = read.url(...pick(file.databaseUrl, `${place} databaseUrl`, env, 'DATABASE_URL'), POSTGRES);
  if (databaseUrl === undefined && needs.includes('database') && !isSet(file.databaseUrl ?? env.DATABASE_URL)) {
    faults.push('DATABASE_URL: is not set; set it to the URL of the database, as postgres://…');
  }
  const direct = pick(file.databaseDirectUrl, `${place} databaseDirectUrl`, env, 'DATABASE_DIRECT_URL');
  const databaseDirectUrl = read.url(...direct, POSTGRES);
  const queueUrl = read.url(...pick(file.queueUrl, `${place} queueUrl`, env, 'QUEUE_URL'), QUEUE);
  const config: Config = {
    databaseUrl: databaseUrl ?? '',
    databaseDirectUrl,
    queueUrl: queueUrl ?? databaseDirectUrl ?? databaseUrl ?? '',
    queueRedis: readRedis(read, file.queueRedis, `${place} queueRedis`),
    chains: readChains(read, file.chains, place, env),
    http: {
      host: read.text(...pick(http.host, `${place} http.host`, env, 'HTTP_HOST')) ?? '127.0.0.1',
      port: read.integer(...pick(http.port, `${place} http.port`, env, 'HTTP_PORT'), 0, 65_535) ?? 8080,
      token: read.text(...pick(http.token, `${place} http.token`, env, 'HTTP_TOKEN')),
    },
    ready: {
      lagBlocks: read.integer(ready.lagBlocks, `${place} ready.lagBlocks`, 1, DEPTH_MAX_BLOCKS) ?? 100,
      stalledSeconds: read.integer(ready.stalledSeconds, `${place} ready.stalledSeconds`, 1, 86_400) ?? 120,
    },
    tracesUrl: readTracesUrl(read, env),
    logLevel: read.oneOf(...pick(file.logLevel, `${place} logLevel`, env, 'LOG_LEVEL'), LOG_LEVELS) ?? 'info',
  };
  if (needs.includes('chains') && config.chains.length === 0 && !faults.some((fault) => fault.includes('RPC_URL_'))) {
    const nameless = isSet(env.RPC_URL) ? ' (RPC_URL is set, but names no chain)' : '';
    faults.push(`RPC_URL_<chainId>: none is set${nameless}; set one for each chain to follow, as RPC_URL_1=https://…`);
  }
  if (faults.length > 0) {
    throw new ConfigError(`the configuration is wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`, {
      context: { faults },
    });
  }
  return config;
}

/** Reads where traces go, from the variables of OpenTelemetry's specification ("OpenTelemetry Protocol Exporter"). */
function readTracesUrl(read: SettingReader, env: Environment): string | undefined {
  const name = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
  if (isSet(env[name])) return read.url(env[name], name, PROXY);
  const base = isSet(env.OTEL_EXPORTER_OTLP_ENDPOINT) ? env.OTEL_EXPORTER_OTLP_ENDPOINT : undefined;
  return read.url(base, 'OTEL_EXPORTER_OTLP_ENDPOINT', PROXY)?.replace(/\/?$/, '/v1/traces');
}

/** Reads the Redis settings. ioredis validates its own `options`. */
function readRedis(read: SettingReader, given: unknown, place: string): RedisSettings | undefined {
  if (given === undefined) return undefined;
  const redis = read.object(given, place, ['options', 'cluster']);
  if (redis.options !== undefined) read.object(redis.options, `${place}.options`);
  if (redis.cluster !== undefined && !(Array.isArray(redis.cluster) && redis.cluster.length > 0)) {
    read.fault(`${place}.cluster`, 'must name at least one node');
  }
  return redis as RedisSettings;
}

function readChains(read: SettingReader, given: unknown, place: string, env: Environment): readonly ChainConfig[] {
  const settings = given === undefined ? {} : read.object(given, `${place} chains`);
  const urls = new Map<string, readonly [unknown, string]>();
  const proxy = readProxy(read, env);
  for (const id of Object.keys(settings)) {
    if (read.chainId(id, `${place} chains.${id}`)) urls.set(id, [undefined, `RPC_URL_${id}`]);
  }
  for (const [name, value] of Object.entries(env)) {
    const id = RPC_URL_VARIABLE.exec(name)?.[1];
    if (id !== undefined && isSet(value) && read.chainId(id, name)) urls.set(id, [value, name]);
  }
  return [...urls]
    .map(([id, [value, name]]) => ({
      ...readChain(read, Number(id), settings[id] ?? {}, `${place} chains.${id}`, value, name),
      ...(proxy && { proxy }),
    }))
    .sort((a, b) => a.chainId - b.chainId);
}

/** Reads the proxy variables, whose names may be in lower or upper case. */
function readProxy(read: SettingReader, env: Environment): ProxySettings | undefined {
  const url = (name: string) => {
    const variable = isSet(env[name.toLowerCase()]) ? name.toLowerCase() : name;
    return read.url(isSet(env[variable]) ? env[variable] : undefined, variable, PROXY);
  };
  const [httpProxy, httpsProxy] = [url('HTTP_PROXY'), url('HTTPS_PROXY')];
  if (httpProxy === undefined && httpsProxy === undefined) return undefined;
  return { httpProxy, httpsProxy, noProxy: env.no_proxy ?? env.NO_PROXY };
}

function readChain(
  read: SettingReader,
  chainId: number,
  given: unknown,
  place: string,
  environmentUrls: unknown,
  variable: string,
): ChainConfig {
  const known: readonly (keyof ChainSettings)[] = [
    ...(['rpcUrls', 'pollIntervalMs', 'confirmations', 'proof', 'haltDepth'] as const),
    ...(['tokenUriCallsPerSecond', 'verifyIntervalHours'] as const),
  ];
  const chain = read.object(given, place, known);
  const optional = (key: keyof typeof DEFAULT_CHAIN, least: number, most: number) =>
    read.integer(chain[key], `${place}.${key}`, least, most) ?? DEFAULT_CHAIN[key];
  const rpcUrls =
    chain.rpcUrls === undefined
      ? read.endpoints(typeof environmentUrls === 'string' ? environmentUrls.split(',') : [], variable)
      : read.endpoints(chain.rpcUrls, `${place}.rpcUrls`);
  return {
    chainId,
    rpcUrls,
    pollIntervalMs: optional('pollIntervalMs', 10, POLL_INTERVAL_MAX_MS),
    confirmations: optional('confirmations', 0, DEPTH_MAX_BLOCKS),
    haltDepth: optional('haltDepth', 1, DEPTH_MAX_BLOCKS),
    tokenUriCallsPerSecond: optional('tokenUriCallsPerSecond', 0, CALLS_PER_SECOND_MAX),
    verifyIntervalHours: optional('verifyIntervalHours', 0, VERIFY_INTERVAL_MAX_HOURS),
    proof: readProof(read, chain.proof, `${place}.proof`),
  };
}

function readProof(read: SettingReader, given: unknown, place: string): Required<ProofSettings> {
  const proof = read.object(given ?? {}, place, ['level', 'callsPerSecond']);
  const { level, callsPerSecond } = DEFAULT_PROOF;
  return {
    level: read.oneOf(proof.level, `${place}.level`, PROOF_LEVELS) ?? level,
    callsPerSecond:
      read.integer(proof.callsPerSecond, `${place}.callsPerSecond`, 1, CALLS_PER_SECOND_MAX) ?? callsPerSecond,
  };
}

/** Returns a value and its place: the value in the file if it has one, otherwise the environment variable. */
function pick(fileValue: unknown, place: string, env: Environment, variable: string): [unknown, string] {
  if (fileValue !== undefined) return [fileValue, place];
  return [isSet(env[variable]) ? env[variable] : undefined, variable];
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== '';
}

const POSTGRES = ['postgres:', 'postgresql:'];
const QUEUE = ['redis:', 'rediss:', ...POSTGRES];
const PROXY = ['http:', 'https:'];
