import type { ClusterNode, RedisOptions } from 'ioredis';
import type { Transport } from 'viem';

/**
 * One RPC endpoint of a chain:
 *
 * - a URL (`http`, `https`, `ws` or `wss`);
 * - a URL with headers, for providers that expect the key there. Header values never appear in logs or errors;
 * - a viem transport: `http(url, { … })`, `webSocket(url)`, `custom(provider)` or `fallback([…])`. A transport sends its calls
 *   one by one, so a URL is faster. With `batch: true`, an `http` transport sends the headers and logs of several
 *   blocks together, at most 16 calls in a batch. Do not turn on `rank`: the program measures the health of endpoints itself.
 *
 * @example
 * chains: {
 *   8453: {
 *     rpcUrls: [
 *       'wss://base.example/v2/KEY',
 *       { url: 'https://other.example', headers: { authorization: `Bearer ${process.env.OTHER_KEY}` } },
 *       fallback([http('https://third.example'), http('https://fourth.example')]),
 *     ],
 *   },
 * }
 */
export type RpcEndpoint =
  | string
  | { readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  | Transport;

/** When the facts of a chain are proved. */
export const PROOF_LEVELS = ['background', 'inline', 'off'] as const;
/** One of the levels of proof. */
export type ProofLevel = (typeof PROOF_LEVELS)[number];

/**
 * How the facts of a chain are proved complete: every header of a block is read, and its bloom compared with the facts. Where a bloom
 * calls for a log that is missing, or is silent although the block has transactions, the receipts decide.
 */
export type ProofSettings = {
  /**
   * `background`: history is filled at once, on the node's word and a few doubts, and proved behind that by `indexer start`. `inline`:
   * every block is proved before it counts as covered. `off`: nothing below the finalized block is proved, and facts are not asked
   * whether they contradict themselves. Default: `background`.
   */
  readonly level?: ProofLevel;
  /** Maximum number of calls per second for the proof behind the fill. Default: 10. */
  readonly callsPerSecond?: number;
};

/** Settings of one chain. Each has a default. */
export type ChainSettings = {
  /** RPC endpoints of the chain, the preferred one first. Default: the URLs in `RPC_URL_<chainId>`. */
  readonly rpcUrls?: readonly RpcEndpoint[];
  /** How often to poll for the head, if the endpoint does not support subscriptions. Default: 1,000. */
  readonly pollIntervalMs?: number;
  /** How many blocks below the head count as finalized, if the endpoint does not serve the `finalized` tag. Default: 64. */
  readonly confirmations?: number;
  /** How the facts are proved complete. */
  readonly proof?: ProofSettings;
  /**
   * Maximum number of calls per second that read `token_uri` of the tokens of masters. 0 turns that off. Default: 10.
   */
  readonly tokenUriCallsPerSecond?: number;
  /** How often `indexer start` verifies a sample of the mirror, in hours. 0 turns it off. Default: 24. */
  readonly verifyIntervalHours?: number;
  /** The deepest reorganisation that is repaired without an operator, in blocks. Default: 1,024. */
  readonly haltDepth?: number;
};

/**
 * The Redis of the queue, if one URL is not enough to describe it. `options` are passed to ioredis unchanged: `sentinels` and
 * `name`, `tls`, `username`, `password`. If `cluster` lists nodes, the options apply to every node.
 */
export type RedisSettings = {
  readonly options?: Readonly<RedisOptions>;
  readonly cluster?: readonly ClusterNode[];
};

/** Settings of a configuration file. Missing settings are taken from the environment, then from the defaults. */
export type Settings = {
  /** `postgres://…`. Default: `DATABASE_URL`. */
  readonly databaseUrl?: string;
  /** The same database without a pooler in front of it, for what needs a session. Default: `DATABASE_DIRECT_URL`. */
  readonly databaseDirectUrl?: string;
  /** `redis://…` or `postgres://…`. Default: `QUEUE_URL`, else the database, without a pooler if possible. */
  readonly queueUrl?: string;
  /** A Redis Sentinel or cluster, used instead of `queueUrl`. */
  readonly queueRedis?: RedisSettings;
  /** Settings by chain id. A chain is followed if it is listed here or `RPC_URL_<chainId>` is set. */
  readonly chains?: Readonly<Record<number, ChainSettings>>;
  /**
   * Default: `HTTP_HOST`, `HTTP_PORT` and `HTTP_TOKEN`, else 127.0.0.1, 8080 and no token. With a token, visitors who know it see and change
   * the queues under `/queues`. Without one, everyone who reaches the port sees them, and nobody changes them.
   */
  readonly http?: { readonly host?: string; readonly port?: number; readonly token?: string };
  /**
   * From when on `/ready` answers 503: `lagBlocks` blocks behind the head (default: 100), or `stalledSeconds` without a new block although
   * the chain has newer ones (default: 120).
   */
  readonly ready?: { readonly lagBlocks?: number; readonly stalledSeconds?: number };
  /** Default: `LOG_LEVEL`, else `info`. */
  readonly logLevel?: LogLevel;
};

/** All log levels, from the least to the most verbose, and `silent`. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** One of the log levels. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Returns the settings unchanged, and gives a configuration file its types: `export default defineConfig({ … })`.
 *
 * @example
 * export default defineConfig({ chains: { 8453: { confirmations: 128 } } });
 */
export function defineConfig(settings: Settings): Settings {
  return settings;
}
