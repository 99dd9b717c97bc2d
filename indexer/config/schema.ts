import * as z from 'zod/mini';
import {
  amount,
  clusterNodes,
  group,
  headers,
  listOf,
  nonEmptyText,
  oneOf,
  option,
  optionOr,
  redisOptions,
  urlOf,
  viemTransport,
  wholeNumber,
} from './fields.ts';

/** All log levels, from the least to the most verbose, and `silent`. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** When the facts (decoded logs) of a chain are compared with block headers, to prove that none is missing. */
const PROOF_LEVELS = ['background', 'inline', 'off'] as const;

const CALLS_PER_SECOND_MAX = 100_000;
const PER_SECOND_MAX = 1_000_000;
const PER_MONTH_MAX = 1_000_000_000_000;
const QUORUM_MAX = 100;
const POLL_INTERVAL_MAX_MS = 3_600_000;
const DEPTH_MAX_BLOCKS = 1_000_000;
const VERIFY_INTERVAL_MAX_HOURS = 8_784;
const STALLED_MAX_SECONDS = 86_400;
const NO_ENDPOINT = 'must be a URL, an object with url and headers, or a viem transport';

const rpcUrl = () => urlOf('http', 'https', 'ws', 'wss');
const postgresUrl = () => urlOf('postgres', 'postgresql');

/** The options of an endpoint that the configuration file describes by an object, because a URL alone does not suffice. */
export const ENDPOINT = z.strictObject({
  url: rpcUrl(),
  headers: option(headers(), {
    description:
      'HTTP headers of every request, for a provider that expects its key there. Their values never appear in a log.',
  }),
  callsPerSecond: option(wholeNumber(1, PER_SECOND_MAX), {
    description:
      'The maximum number of calls per second that one process sends to this endpoint for one chain. Each call of a batch counts.',
    otherwise: 'the limit is learnt from refusals',
    unit: 'calls per second',
  }),
  computeUnitsPerSecond: option(wholeNumber(1, PER_SECOND_MAX), {
    description: 'Like `callsPerSecond`, but counted in compute units by the price list of Alchemy.',
    otherwise: 'the limit is learnt from refusals',
    unit: 'compute units per second',
  }),
  monthlyCalls: option(wholeNumber(1, PER_MONTH_MAX), {
    description:
      'How many calls the provider grants in a calendar month (UTC). The log warns when all processes together have sent 80 %, and when they ' +
      'have sent all. Calls are sent even after the budget is spent. A head that a subscription announces counts as a call.',
    otherwise: 'nothing is counted',
    unit: 'calls per month',
  }),
  monthlyComputeUnits: option(wholeNumber(1, PER_MONTH_MAX), {
    description: 'Like `monthlyCalls`, but counted in compute units by the price list of Alchemy.',
    otherwise: 'nothing is counted',
    unit: 'compute units per month',
  }),
});

/** The options of the proof that history is complete. */
export const PROOF = z.strictObject({
  level: optionOr('background', oneOf(PROOF_LEVELS), {
    description:
      'When the program proves that no fact (decoded log) is missing. `background`: history is filled at once, and `indexer start` proves it afterwards. ' +
      '`inline`: every block of history is proved before it counts as covered. `off`: nothing below the finalized block is proved, and facts ' +
      'are not searched for contradictions.',
  }),
  callsPerSecond: optionOr(10, wholeNumber(1, CALLS_PER_SECOND_MAX), {
    description: 'The maximum number of calls per second for proving history that is already filled.',
    unit: 'calls per second',
  }),
});

/** The options of one chain. */
export const CHAIN = z.strictObject({
  rpcUrls: option(
    listOf(z.union([rpcUrl(), viemTransport(NO_ENDPOINT), ENDPOINT], NO_ENDPOINT), 'must name at least one endpoint'),
    {
      description:
        'The endpoints, the preferred one first. Each is a URL, an object with `url` and the options of an endpoint, or a ' +
        '[viem transport](https://viem.sh/docs/clients/intro#transports).',
      variables: ['RPC_URL_<chainId>'],
    },
  ),
  pollIntervalMs: optionOr(1_000, wholeNumber(10, POLL_INTERVAL_MAX_MS), {
    description: 'How often the head is polled, if the endpoint does not support subscriptions.',
    unit: 'milliseconds',
  }),
  confirmations: optionOr(64, wholeNumber(0, DEPTH_MAX_BLOCKS), {
    description:
      'A block this far below the head counts as finalized, if the endpoint does not serve the `finalized` tag.',
    unit: 'blocks',
  }),
  quorum: optionOr(1, wholeNumber(1, QUORUM_MAX), {
    description:
      'How many endpoints must agree on a block before it counts as the head. While fewer agree or answer, the ' +
      'head does not move, and `/ready` and the log say so.',
    unit: 'endpoints',
  }),
  haltDepth: optionOr(1_024, wholeNumber(1, DEPTH_MAX_BLOCKS), {
    description: 'A reorganisation deeper than this halts the chain until you run `indexer unwind`.',
    unit: 'blocks',
  }),
  verifyIntervalHours: optionOr(24, wholeNumber(0, VERIFY_INTERVAL_MAX_HOURS), {
    description: 'How often `indexer start` verifies a sample of the mirror. 0 turns it off.',
    unit: 'hours',
  }),
  tokenUriCallsPerSecond: optionOr(10, wholeNumber(0, CALLS_PER_SECOND_MAX), {
    description:
      'The maximum number of calls per second for reading the token URIs of masters (column `token_uri`). 0 turns this off.',
    unit: 'calls per second',
  }),
  largeClaimWei: option(amount(), {
    description:
      'A claim of at least this much of the native coin is logged as `large claim` and counted in `indexer_large_claims_total`.',
    otherwise: 'no claim is reported',
    unit: 'wei',
  }),
  proof: group(PROOF, { description: 'How history is proved complete.' }),
});

/** The options of the HTTP server. */
export const HTTP = z.strictObject({
  host: optionOr('127.0.0.1', nonEmptyText(), {
    description: 'The address on which `indexer start` and `indexer worker --http-port` listen.',
    variables: ['HTTP_HOST'],
    example: '127.0.0.1',
  }),
  port: optionOr(8080, wholeNumber(0, 65_535), {
    description: 'The port of `indexer start`. 0 takes any free port. A worker takes its port from `--http-port`.',
    variables: ['HTTP_PORT'],
    example: '8080',
  }),
  token: option(nonEmptyText(), {
    description:
      'The password for `/queues` (HTTP Basic with any user name, or a bearer token). Whoever knows it can see and change the queues. If it ' +
      'is not set, everyone who reaches the port can see the queues, and nobody can change them.',
    variables: ['HTTP_TOKEN'],
    isSecret: true,
    example: 'SECRET',
  }),
});

/** The bounds beyond which `/ready` answers 503. */
export const READY = z.strictObject({
  lagBlocks: optionOr(100, wholeNumber(1, DEPTH_MAX_BLOCKS), {
    description: 'A chain is not ready if its newest committed block is more than this many blocks behind the head.',
    unit: 'blocks',
  }),
  stalledSeconds: optionOr(120, wholeNumber(1, STALLED_MAX_SECONDS), {
    description:
      'A chain is not ready if no block was committed for more than this many seconds although the chain has newer blocks.',
    unit: 'seconds',
  }),
});

/** A Redis that a single URL cannot describe, such as a Sentinel or a Cluster. */
export const REDIS = z.strictObject({
  options: option(redisOptions(), {
    description:
      'Options of ioredis: `sentinels` and `name`, `tls`, `username`, `password`. In a cluster they apply to every node.',
  }),
  cluster: option(clusterNodes(), { description: 'The nodes of a Redis Cluster, as ioredis takes them.' }),
});

const isChainId = (id: string) => /^[1-9][0-9]{0,15}$/.test(id) && Number.isSafeInteger(Number(id));

/** The id of a chain as text: a key of `chains` in a configuration file, or the end of the name of a variable `RPC_URL_<chainId>`. */
export const CHAIN_ID = z
  .string()
  .check(z.refine(isChainId, 'the chain id must be a positive decimal number, as in RPC_URL_1'));

/** All options of a configuration file. */
export const SETTINGS = z.strictObject({
  databaseUrl: option(postgresUrl(), {
    description: 'The database of the mirror. `sslmode` has the same meaning as in libpq.',
    otherwise: 'required',
    variables: ['DATABASE_URL', 'AUDIFI_DATABASE_URL'],
    example: 'postgres://indexer:PASSWORD@localhost:5432/mirror',
  }),
  databaseDirectUrl: option(postgresUrl(), {
    description:
      'The same database without a pooler (PgBouncer, Neon) in front of it, for work that needs a session, such as leadership and ' +
      'notifications.',
    otherwise: '`databaseUrl`. If that leads to a pooler, the restrictions in [reliability.md](reliability.md) apply',
    variables: ['DATABASE_DIRECT_URL'],
    example: 'postgres://indexer:PASSWORD@localhost:5432/mirror',
  }),
  queueUrl: option(urlOf('redis', 'rediss', 'postgres', 'postgresql'), {
    description:
      'The server of the queue for filling history. A Redis must have the `maxmemory-policy` `noeviction`, so do not use a Redis that is ' +
      'the cache of another program.',
    otherwise: '`databaseDirectUrl`, else `databaseUrl`',
    variables: ['QUEUE_URL', 'AUDIFI_REDIS_URL', 'REDIS_URL'],
    example: 'redis://localhost:6379',
  }),
  queueRedis: option(REDIS, {
    description: 'A Redis Sentinel or Cluster, used instead of `queueUrl`.',
    isSecret: true,
  }),
  chains: option(z.record(CHAIN_ID, CHAIN) as unknown as z.ZodMiniRecord<z.ZodMiniNumber, typeof CHAIN>, {
    description: 'Options by chain id. A chain is followed if it is listed here or a variable names an endpoint of it.',
  }),
  http: group(HTTP, { description: 'The HTTP server of `indexer start`.' }),
  ready: group(READY, { description: 'When `/ready` says that a chain is not ready.' }),
  otlpEndpoint: option(urlOf('http', 'https'), {
    description:
      'The OpenTelemetry collector that gets a trace of each batch, from its fetch to its commit (OTLP over HTTP).',
    variables: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
    example: 'http://localhost:4318',
  }),
  logLevel: optionOr('info', oneOf(LOG_LEVELS), {
    description: 'The lowest severity that is logged.',
    variables: ['LOG_LEVEL'],
    example: 'info',
  }),
});

/** The environment variables of the platform that the program does not use, and the reason for each. */
export const UNUSED_VARIABLES: Readonly<Record<string, string>> = {
  AUDIFI_DB_POOL_MIN: 'connections are opened when they are needed',
  AUDIFI_DB_POOL_MAX:
    'the program sizes its pools itself: at most 40 connections a process by default (docs/reliability.md)',
  AUDIFI_DATABASE_REPLICA_URL: 'the program reads from the primary only',
};

/** The HTTP proxies for RPC endpoints. Only environment variables set them. */
export const PROXY = z.strictObject({
  httpProxy: option(urlOf('http', 'https'), {
    description: 'The proxy for endpoints that begin with `http://` or `ws://`.',
    variables: ['http_proxy', 'HTTP_PROXY'],
    example: 'http://proxy.example:3128',
  }),
  httpsProxy: option(urlOf('http', 'https'), {
    description: 'The proxy for endpoints that begin with `https://` or `wss://`.',
    variables: ['https_proxy', 'HTTPS_PROXY'],
    example: 'http://proxy.example:3128',
  }),
  noProxy: option(nonEmptyText(), {
    description: 'The hosts that are reached without a proxy, separated by commas.',
    variables: ['no_proxy', 'NO_PROXY'],
    example: 'localhost,127.0.0.1',
  }),
});
