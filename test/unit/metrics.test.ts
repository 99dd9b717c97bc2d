import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { ChainView } from '../../indexer/http/chain-view.ts';
import { Metrics } from '../../indexer/http/metrics.ts';
import { Measures } from '../../indexer/observability/measures.ts';

const CHAIN: ChainView = {
  chainId: 8453,
  status: 'following',
  reason: null,
  head: { number: 90, hash: '0x01' },
  headTimestamp: new Date(1_700_000_000_000),
  finalized: 80,
  contracts: { active: 5, complete: 4, quarantined: 1, removed: 0 },
  gaps: [
    { address: '0x01', kind: 'master', gaps: [{ from: 5, to: 9 }], note: null },
    { address: '0x02', kind: 'pool', gaps: [{ from: 7, to: 7 }], note: null },
  ],
  completeTo: 90,
  provedTo: 70,
  failedProofs: [],
  repairs: 2,
  deadLetters: 3,
  deadRanges: [],
  reorgs: 6,
  reorgsByDepth: { '1': 4, '3 to 10': 2 },
  stages: [{ name: 'dividends', asOf: 90, failedReason: 'no space left' }],
  contradictions: (['open', 'property', 'unreadable'] as const).map((status) => ({
    ...{ address: '0x01', kind: 'master', rule: 'owner', from: 1, to: 2, detail: '', status, reason: null },
  })),
  dividendAnomalies: 7,
  verification: null,
  updatedAt: new Date(1_700_000_000_500),
  live: {
    chainId: 8453,
    state: 'following',
    remoteHead: 90,
    eventsPerSecond: 0,
    queue: { waiting: 3, active: 2, delayed: 0 },
    endpoints: [],
    backfills: [],
  },
};

/** Returns metrics over a status that the test sets, and functions that change it and the time. */
function scene() {
  let [time, reads] = [0, 0];
  let chains: readonly ChainView[] | undefined = [CHAIN];
  const readStatus = async () => {
    reads += 1;
    if (chains === undefined) throw new Error('connect ECONNREFUSED');
    return chains;
  };
  const metrics = new Metrics(readStatus, new Registry(), () => time);
  const ofIndexer = async () => (await metrics.text()).split('\n').filter((line) => line.startsWith('indexer_'));
  return {
    ofIndexer,
    reads: () => reads,
    set(status: typeof chains, after: number) {
      chains = status;
      time += after;
    },
  };
}

test('metrics show each chain, and leave out what is not known', async () => {
  const { ofIndexer } = scene();
  expect(await ofIndexer()).toEqual([
    'indexer_database_up 1',
    'indexer_configured{chain="8453"} 1',
    'indexer_following{chain="8453"} 1',
    'indexer_halted{chain="8453"} 0',
    'indexer_head_block{chain="8453"} 90',
    'indexer_head_moved_timestamp_seconds{chain="8453"} 1700000000.5',
    'indexer_remote_head_block{chain="8453"} 90',
    'indexer_lag_blocks{chain="8453"} 0',
    'indexer_lag_seconds{chain="8453"} 0',
    'indexer_finalized_block{chain="8453"} 80',
    'indexer_complete_block{chain="8453"} 90',
    'indexer_proved_block{chain="8453"} 70',
    'indexer_unproved_ranges{chain="8453"} 0',
    'indexer_contracts_active{chain="8453"} 5',
    'indexer_contracts_complete{chain="8453"} 4',
    'indexer_coverage_gaps{chain="8453"} 2',
    'indexer_missing_blocks{chain="8453"} 6',
    'indexer_contracts_quarantined{chain="8453"} 1',
    'indexer_contradictions{chain="8453"} 2',
    'indexer_dead_letters{chain="8453"} 3',
    'indexer_queue_jobs{chain="8453",state="waiting"} 3',
    'indexer_queue_jobs{chain="8453",state="active"} 2',
    'indexer_queue_jobs{chain="8453",state="delayed"} 0',
    'indexer_stopped_stages{chain="8453"} 1',
    'indexer_dividend_anomalies{chain="8453"} 7',
    'indexer_reorgs_total{chain="8453",depth="1"} 4',
    'indexer_reorgs_total{chain="8453",depth="3 to 10"} 2',
    'indexer_repairs_total{chain="8453"} 2',
  ]);
});

test('metrics show how late a head is, and what endpoints bear', async () => {
  const { ofIndexer, set } = scene();
  const headTimestamp = new Date(Date.now() - 3_600_000);
  const endpoint = {
    ...{ endpoint: 'rpc.example#0', status: 'cooling down' as const, reason: 'HTTP 503', rangeBlocks: 2_000 },
    ...{ callsPerSecond: 10, budget: { unit: 'calls' as const, spent: 30, limit: 120 }, calls: 8, failedCalls: 3 },
  };
  const { live } = CHAIN;
  set([{ ...CHAIN, headTimestamp, live: live && { ...live, remoteHead: 97, endpoints: [endpoint] } }], 0);
  const lines = await ofIndexer();
  for (const line of [
    'indexer_lag_blocks{chain="8453"} 7',
    'indexer_rpc_range_blocks{chain="8453",endpoint="rpc.example#0"} 2000',
    'indexer_rpc_endpoint_up{chain="8453",endpoint="rpc.example#0"} 0',
    'indexer_rpc_budget_spent_ratio{chain="8453",endpoint="rpc.example#0"} 0.25',
  ])
    expect(lines).toContain(line);
  const late = lines.find((line) => line.startsWith('indexer_lag_seconds{chain="8453"} '));
  const seconds = Number(late?.split(' ').at(-1));
  expect(seconds).toBeGreaterThanOrEqual(3_600);
  expect(seconds).toBeLessThan(7_200);
});

test('calls that fail count as errors, but not calls that are answered, refused or aborted', async () => {
  const measures = new Measures();
  for (const [outcome, calls] of [
    ['ok', 5],
    ['refused', 4],
    ['aborted', 3],
    ['timeout', 2],
    ['timeout', 1],
  ] as const)
    measures.requested({ chain: 8453, endpoint: 'rpc.example#0', method: 'eth_call', outcome, calls, seconds: 0.1 });
  const lines = (await measures.registry.metrics()).split('\n');
  expect(lines.filter((line) => line.startsWith('rpc_errors_total{'))).toEqual([
    'rpc_errors_total{network="8453",error="timeout"} 3',
  ]);
  expect(lines).toContain('rpc_requests_total{network="8453",method="eth_call"} 15');
  expect(measures.callsOf(8453, 'rpc.example#0')).toEqual({ calls: 15, failedCalls: 3 });
});

test('the status is read at most every 15 s, and a lost database shows', async () => {
  const { ofIndexer, reads, set } = scene();
  await Promise.all([ofIndexer(), ofIndexer()]);
  set([{ ...CHAIN, repairs: 8 }], 14_000);
  expect(await ofIndexer()).toContain('indexer_repairs_total{chain="8453"} 2');
  expect(reads()).toBe(1);
  set([{ ...CHAIN, repairs: 8 }], 2_000);
  expect(await ofIndexer()).toContain('indexer_repairs_total{chain="8453"} 8');
  set(undefined, 16_000);
  expect(await ofIndexer()).toEqual(['indexer_database_up 0']);
  set([CHAIN], 0);
  expect(await ofIndexer()).toContain('indexer_database_up 1');
});

test('numbers stay for two minutes while the database is slow, so that pending alerts go on', async () => {
  let [time, isSlow] = [0, false];
  const { promise: late, resolve } = Promise.withResolvers<readonly ChainView[]>();
  const metrics = new Metrics(
    async () => (isSlow ? late : [CHAIN]),
    new Registry(),
    () => time,
  );
  await metrics.text();
  isSlow = true;
  time = 100_000;
  expect(await metrics.text()).toContain('indexer_head_block{chain="8453"} 90');
  time = 121_000;
  expect(await metrics.text()).toContain('indexer_database_up 0');
  resolve([CHAIN]);
}, 60_000);

test('a status that cannot be shown fails its scrape, and the next one reads again', async () => {
  const { ofIndexer, set } = scene();
  set([{ ...CHAIN, repairs: 'two' as never }], 0);
  await expect(ofIndexer()).rejects.toThrow();
  set([CHAIN], 0);
  expect(await ofIndexer()).toContain('indexer_repairs_total{chain="8453"} 2');
});
