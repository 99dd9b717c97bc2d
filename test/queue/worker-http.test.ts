import { expect, test } from 'vitest';
import { metricSum } from '../kit/metric-sum.ts';
import { IN_POSTGRES, longChain, scene } from './scene.ts';

const BLOCKS = 1_000;
const FILLED_BEFORE = 900;

test('a worker with a port serves its health and the metrics of what it does', async () => {
  const { run, db, settled } = await scene(IN_POSTGRES, longChain(BLOCKS));
  // This backfill makes the head known and covers the blocks that are not final.
  expect(await run('backfill', '--from-block', String(FILLED_BEFORE)).exited).toBe(0);
  const countTransfers = async () =>
    Number((await db.query('select count(*) as transfers from token_transfers')).rows[0]?.transfers);
  const before = await countTransfers();
  const worker = run('worker', '--http-port', '0');
  const port = await worker.port();
  const read = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  expect(JSON.parse(await read('/health'))).toEqual({ ok: true });
  expect(await read('/metrics')).toMatch(/^indexer_events_total\{.*table="dead_letters",part="history"\} 0$/m);

  const request = ['--from-block', '0', '--to-block', String(FILLED_BEFORE - 1)];
  expect(await run('backfill', ...request, '--detach').exited).toBe(0);
  await settled();
  const lines = (await read('/metrics')).split('\n');
  const sumOf = (pattern: RegExp) => metricSum(lines, pattern);
  const filled = (await countTransfers()) - before;
  expect(filled).toBeGreaterThan(0);
  expect(before).toBeGreaterThan(0);
  expect(sumOf(/^indexer_events_total\{.*table="token_transfers",part="history"/)).toBe(filled);
  expect(sumOf(/^indexer_rpc_calls_total\{.*method="eth_getLogs".*outcome="ok"/)).toBeGreaterThan(0);
  for (const name of ['indexer_commit_seconds_count{', 'db_query_duration_seconds_count ', 'db_connections_idle '])
    expect(lines.filter((line) => line.startsWith(name))).not.toEqual([]);
  expect(sumOf(/^db_query_duration_seconds_count /)).toBeGreaterThan(0);
  expect(JSON.parse(await read('/ready'))).toEqual({ error: 'not found; the paths are /health and /metrics' });

  const second = run('worker', '--http-port', String(port));
  expect(await second.exited).toBe(1);
  expect(second.stderr).toContain(`--http-port: another program listens on 127.0.0.1:${port}`);
  expect(await worker.stop()).toBe(0);
});
