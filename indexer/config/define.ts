import type { ClusterNode, RedisOptions } from 'ioredis';

/** What a configuration file may say of one chain; every part has a default. */
export type ChainSettings = {
  /** HTTP or WebSocket endpoints of one chain, the preferred first. Default: `RPC_URL_<chainId>`. */
  readonly rpcUrls?: readonly string[];
  /** How often the head is asked for where the endpoint does not announce it. Default: 1,000. */
  readonly pollIntervalMs?: number;
  /** How many blocks below the head count as final where the endpoint has no `finalized` tag. Default: 64. */
  readonly confirmations?: number;
  /** The deepest reorg that is repaired without an operator, in blocks. Default: 1,024. */
  readonly haltDepth?: number;
};

/**
 * The queue's Redis where one URL does not name it. `options` go to ioredis as they are: `sentinels` and `name`, `tls`,
 * `username`, `password`. With `cluster`, its nodes, they hold for every node.
 */
export type RedisSettings = {
  readonly options?: Readonly<RedisOptions>;
  readonly cluster?: readonly ClusterNode[];
};

/** What a configuration file may say. What it leaves out comes from the environment, then from the defaults. */
export type Settings = {
  /** `postgres://…`. Default: `DATABASE_URL`. */
  readonly databaseUrl?: string;
  /** `redis://…` or `postgres://…`. Default: `QUEUE_URL`, else the database. */
  readonly queueUrl?: string;
  /** A Sentinel or a cluster; stands in the place of `queueUrl`. */
  readonly queueRedis?: RedisSettings;
  /** By chain id. A chain is followed when it stands here or `RPC_URL_<chainId>` is set. */
  readonly chains?: Readonly<Record<number, ChainSettings>>;
  /** Default: `HTTP_HOST` and `HTTP_PORT`, else 127.0.0.1 and 8080. */
  readonly http?: { readonly host?: string; readonly port?: number };
  /** Default: `LOG_LEVEL`, else `info`. */
  readonly logLevel?: LogLevel;
};

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Types a configuration file: `export default defineConfig({ … })`.
 *
 * @example
 * export default defineConfig({ chains: { 8453: { confirmations: 128 } } });
 */
export function defineConfig(settings: Settings): Settings {
  return settings;
}
