import { Cluster, Redis } from 'ioredis';
import type { RedisSettings } from '../config/define.ts';
import type { Config } from '../config/resolve.ts';
import { explainConnectionError } from '../db/connect.ts';
import { explainConnectionFailure } from '../kernel/connection-failure.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { SharedQueuePool } from './queue-postgres.ts';

/** The server of the queue: the Redis that `redis` describes if it is set, else the Redis or PostgreSQL at `url`. */
export type QueueSettings = {
  readonly url: string;
  readonly redis?: RedisSettings | undefined;
  /** The name of the setting that holds the URL. Messages to the operator contain it. */
  readonly variable: string;
  /** The connections to the queue if it is in PostgreSQL. All chains of the process share them. */
  readonly pool: SharedQueuePool;
};

/** The timeout of a command to the server of the queue. */
export const COMMAND_TIMEOUT_MS = 10_000;
/** The messages with which Redis refuses a user or a password. */
const REFUSED_PASSWORD = /^(?:WRONGPASS|NOAUTH|NOPERM|ERR AUTH)\b/;

/** Returns the server that a configuration names for the queue. Call it once per process, because all chains share its `pool`. */
export function queueSettings({ queueUrl, queueRedis, variables }: Config): QueueSettings {
  const pool = new SharedQueuePool();
  if (queueRedis !== undefined) return { url: queueUrl, redis: queueRedis, variable: 'queueRedis', pool };
  return { url: queueUrl, variable: variables.queueUrl, pool };
}

/** Returns whether the queue is in Redis. Otherwise it is in PostgreSQL. */
export function isInRedis({ url, redis }: QueueSettings): boolean {
  return redis !== undefined || /^rediss?:/.test(url);
}

/** Returns the cluster or the connection options that BullMQ connects with, and a function that closes the cluster. */
export function redisConnection({ url, redis }: QueueSettings, onError: (error: Error) => void) {
  // Commands fail at once while disconnected; the callers retry them.
  const options = { enableOfflineQueue: false, commandTimeout: COMMAND_TIMEOUT_MS, ...redis?.options };
  if (redis?.cluster === undefined) {
    return { connection: redis === undefined ? { url, ...options } : options, release: () => undefined };
  }
  const cluster = new Cluster([...redis.cluster], { redisOptions: options as never, enableOfflineQueue: false });
  cluster.on('error', onError);
  return { connection: cluster, release: () => cluster.disconnect() };
}

/** Returns a Redis client that the caller must connect and disconnect. It does not connect again when its connection fails. */
export function openRedis({ url, redis }: QueueSettings): Redis | Cluster {
  const options = { lazyConnect: true, retryStrategy: () => null, commandTimeout: COMMAND_TIMEOUT_MS };
  if (redis?.cluster !== undefined) {
    const redisOptions = { ...redis.options, commandTimeout: COMMAND_TIMEOUT_MS } as never;
    return new Cluster([...redis.cluster], { lazyConnect: true, clusterRetryStrategy: () => null, redisOptions });
  }
  return redis === undefined ? new Redis(url, options) : new Redis({ ...redis.options, ...options } as never);
}

/** Returns the error to report when the queue's server cannot be used. */
export function explainQueueError(error: unknown, settings: QueueSettings): Error {
  const { url, variable } = settings;
  if (!isInRedis(settings)) return explainConnectionError(error, url, variable);
  const message = messageOf(error);
  const advice = REFUSED_PASSWORD.test(message) ? '; correct user and password of the URL' : '';
  const reason = explainConnectionFailure(error, 'Redis') ?? `the queue cannot be used: ${message}${advice}`;
  return new IndexerError(`${variable}: ${reason}`, { cause: error });
}
