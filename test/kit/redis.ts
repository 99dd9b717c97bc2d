import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

/** Kills the server when standard input ends: on request, or when the parent process has died, even by SIGKILL. */
const SUPERVISOR = 'redis-server "$@" </dev/null & read -r order; kill -KILL $!';

/** A Redis server for tests that keeps its data in memory only. */
export class RedisServer {
  readonly url: string;
  readonly #port: number;
  readonly #flags: readonly string[];
  #child: ReturnType<typeof spawn> | undefined;

  private constructor(port: number, flags: readonly string[]) {
    this.#port = port;
    this.#flags = flags;
    this.url = `redis://127.0.0.1:${port}`;
  }

  /** Starts a server. `flags` come before the flags that every server has, and may begin with a configuration file. */
  static async start(...flags: readonly string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), flags);
    await server.resume();
    return server;
  }

  /** Stops the server, as an outage does. Its data is lost. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.stdin?.end();
    await once(child, 'exit');
  }

  /** Starts the server again, on the same port. */
  async resume(): Promise<void> {
    const inMemory = this.#flags.includes('--sentinel') ? [] : ['--save', '', '--appendonly', 'no'];
    const flags = [...this.#flags, '--port', String(this.#port), '--bind', '127.0.0.1', ...inMemory];
    const stdio = ['pipe', 'ignore', 'ignore'] as const;
    this.#child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', ...flags], { stdio: [...stdio], cwd: tmpdir() });
    await until('Redis to answer', () => this.run((redis) => redis.ping()));
  }

  /** Runs a command on a new connection. */
  async run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      return await command(redis);
    } finally {
      redis.disconnect();
    }
  }
}

/**
 * Returns whether Redis is installed.
 *
 * @throws if it is not installed and `CI=true`, where every test must run
 */
export async function hasRedis(): Promise<boolean> {
  const found = await promisify(execFile)('redis-server', ['--version']).then(
    () => true,
    () => false,
  );
  if (!found && process.env.CI === 'true') throw new Error('redis-server is not installed');
  return found;
}

/** The location of the queue. Without a `url`, the queue is in the database. */
export type QueueLocation = { readonly url: string | undefined; readonly redis: RedisServer | undefined };

/** Runs a suite with the queue in PostgreSQL and in Redis. If Redis is not installed, the second run is reported as skipped. */
export async function onEachQueue(suite: (location: () => QueueLocation) => void): Promise<void> {
  describe('queue in PostgreSQL', () => suite(() => ({ url: undefined, redis: undefined })));
  const installed = await hasRedis();
  describe.skipIf(!installed)(`queue in Redis${installed ? '' : ' (NOT INSTALLED HERE)'}`, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await RedisServer.start();
    });
    afterAll(() => server?.stop());
    suite(() => ({ url: server.url, redis: server }));
  });
}

/** Starts a Redis server for one test. */
export async function redisServer(...flags: readonly string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...flags);
  onTestFinished(() => server.stop());
  return server;
}
