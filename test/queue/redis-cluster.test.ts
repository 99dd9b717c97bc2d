import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../kit/free-port.ts';
import { Program } from '../kit/program.ts';
import { hasRedis, redisServer } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { IN_POSTGRES, scene } from './scene.ts';

async function createFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'indexer-redis-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const installed = await hasRedis();

test.skipIf(!installed)('the queue works in a Redis Cluster named in the configuration', async () => {
  const nodes = join(await createFolder(), 'nodes.conf');
  const cluster = [
    '--cluster-enabled',
    'yes',
    '--cluster-announce-ip',
    '127.0.0.1',
    '--cluster-config-file',
    nodes,
    '--cluster-port',
    String(await freePort()),
  ];
  const redis = await redisServer(...cluster);
  await redis.run((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383'));
  await until('the cluster', async () =>
    String(await redis.run((client) => client.call('CLUSTER', 'INFO'))).includes('cluster_state:ok'),
  );
  const { env, settled } = await scene(IN_POSTGRES);
  const queueRedis = { cluster: [{ host: '127.0.0.1', port: Number(new URL(redis.url).port) }] };
  const backfill = new Program(['backfill', '--from-block', '0'], env, { settings: { queueRedis } });
  expect(await backfill.exited).toBe(0);
  expect(await redis.run((client) => client.keys('{indexer-*}:*'))).not.toEqual([]);
  await settled();
});

test.skipIf(!installed)('the queue works in a Redis found through a Sentinel', async () => {
  const redis = await redisServer();
  const file = join(await createFolder(), 'sentinel.conf');
  await writeFile(file, `sentinel monitor indexer 127.0.0.1 ${new URL(redis.url).port} 1\n`);
  const sentinel = await redisServer(file, '--sentinel');
  const { env, settled } = await scene(IN_POSTGRES);
  const options = { sentinels: [{ host: '127.0.0.1', port: Number(new URL(sentinel.url).port) }], name: 'indexer' };
  const backfill = new Program(['backfill', '--from-block', '0'], env, { settings: { queueRedis: { options } } });
  expect(await backfill.exited).toBe(0);
  expect(await redis.run((client) => client.keys('{indexer-*}:*'))).not.toEqual([]);
  await settled();
});
