import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Settings } from '../../indexer/config/define.ts';
import { freePort, hasRedis, redisServer } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { scene } from './scene.ts';

async function createFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'indexer-redis-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Writes a configuration file with these settings and returns its path. */
async function configFile(settings: Settings): Promise<string> {
  const path = join(await createFolder(), 'config.mjs');
  await writeFile(path, `export default ${JSON.stringify(settings)};\n`);
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
  const { run, settled } = await scene({ url: undefined, redis: undefined });
  const config = await configFile({
    queueRedis: { cluster: [{ host: '127.0.0.1', port: Number(new URL(redis.url).port) }] },
  });
  const backfill = run('backfill', '--from-block', '0', '--config', config);
  expect(await backfill.exited).toBe(0);
  expect(await redis.run((client) => client.keys('{indexer-*}:*'))).not.toEqual([]);
  await settled();
});

test.skipIf(!installed)('the queue works in a Redis found through a Sentinel', async () => {
  const redis = await redisServer();
  const file = join(await createFolder(), 'sentinel.conf');
  await writeFile(file, `sentinel monitor indexer 127.0.0.1 ${new URL(redis.url).port} 1\n`);
  const sentinel = await redisServer(file, '--sentinel');
  const { run, settled } = await scene({ url: undefined, redis: undefined });
  const config = await configFile({
    queueRedis: {
      options: { sentinels: [{ host: '127.0.0.1', port: Number(new URL(sentinel.url).port) }], name: 'indexer' },
    },
  });
  const backfill = run('backfill', '--from-block', '0', '--config', config);
  expect(await backfill.exited).toBe(0);
  expect(await redis.run((client) => client.keys('{indexer-*}:*'))).not.toEqual([]);
  await settled();
});
