import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { until } from './until.ts';

/** Ends the server when its own input ends: because it is told to, or because whoever started it is gone in whatever way. */
const SUPERVISOR = 'redis-server "$@" </dev/null & read -r order; kill -KILL $!';

/** A Redis of the test's own, in memory only. */
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

  /** `flags` stand before those that every server has: a configuration file, say. */
  static async start(...flags: readonly string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), flags);
    await server.resume();
    return server;
  }

  /** Ends it as an outage does: what it held is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.stdin?.end();
    await once(child, 'exit');
  }

  async resume(): Promise<void> {
    const inMemory = this.#flags.includes('--sentinel') ? [] : ['--save', '', '--appendonly', 'no'];
    const flags = [...this.#flags, '--port', String(this.#port), '--bind', '127.0.0.1', ...inMemory];
    const stdio = ['pipe', 'ignore', 'ignore'] as const;
    this.#child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', ...flags], { stdio: [...stdio], cwd: tmpdir() });
    await until('Redis to answer', () => this.run((redis) => redis.ping()));
  }

  /** Runs a command on a connection of its own. */
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

/** Whether this machine has Redis. Where the tests must have it (`CI=true`), that it has not is an error. */
export async function hasRedis(): Promise<boolean> {
  const found = await promisify(execFile)('redis-server', ['--version']).then(
    () => true,
    () => false,
  );
  if (!found && process.env.CI === 'true') throw new Error('redis-server is not installed');
  return found;
}

/** Where the queue of a suite lives: `url` of undefined stands for the database itself. */
export type QueuePlace = { readonly url: string | undefined; readonly redis: RedisServer | undefined };

/** Runs a suite with the queue in PostgreSQL and in Redis; without Redis that half shows as skipped, by name. */
export async function onEachQueue(suite: (place: () => QueuePlace) => void): Promise<void> {
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

/** A Redis for one test. */
export async function redisServer(...flags: readonly string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...flags);
  onTestFinished(() => server.stop());
  return server;
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('the system gave no free port');
  return address.port;
}
