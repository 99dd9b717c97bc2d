import { expect, test } from 'vitest';
import { hasRedis, redisServer } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { longChain, scene } from './scene.ts';

const WARNING = 'Redis may evict jobs of the queue: set its maxmemory-policy to noeviction';

const installed = await hasRedis();

for (const [policy, warnings] of [
  ['allkeys-lru', 1],
  ['volatile-ttl', 1],
  ['noeviction', 0],
] as const) {
  test.skipIf(!installed)(
    `a Redis with the policy ${policy} and without CONFIG is named ${warnings} times`,
    async () => {
      const redis = await redisServer('--maxmemory-policy', policy, '--rename-command', 'CONFIG', '');
      const { run, settled } = await scene({ url: redis.url, redis }, longChain(200));
      const daemon = run('start');
      await settled();
      await until('the queue', () => daemon.logLines('range filled').length > 0);
      expect(daemon.logLines(WARNING, policy)).toHaveLength(warnings);
      expect(daemon.stderr).not.toContain('Eviction policy is');
    },
  );
}
