import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { findGaps, findMissingWork } from '../../indexer/backfill/missing-work.ts';
import { cutGaps, Planner, WINDOW_JOBS } from '../../indexer/backfill/plan.ts';
import type { BackfillQueue, FillJob } from '../../indexer/backfill/queue.ts';
import { progressOf, recordFailedRange, recordRequest } from '../../indexer/backfill/requests.ts';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { BlockRange } from '../../indexer/kernel/ranges.ts';
import { database } from '../kit/scene.ts';

const CHAIN_ID = 31_337;
const [A, B, C] = ['a', 'b', 'c'].map((digit) => `0x${digit.repeat(40)}`) as [Hex, Hex, Hex];

type ContractRow = {
  readonly address: Hex;
  readonly deployed: number | null;
  readonly covered?: string;
  readonly live?: number;
};

async function withContracts(
  head: number,
  contracts: readonly ContractRow[],
  act: (database: Database, db: pg.Pool) => Promise<void>,
): Promise<void> {
  const { url, db } = await database();
  await db.query(`insert into indexer.chains (chain_id, head_number, head_hash) values ($1, $2, $3)`, [
    CHAIN_ID,
    head,
    `0x${'00'.repeat(32)}`,
  ]);
  for (const { address, deployed, covered = '{}', live = null } of contracts) {
    await db.query(
      `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, covered, live_from, prepared_at)
       values ($1, $2, 'artist_token', $3, $4, $5, $6, now())`,
      [CHAIN_ID, address, randomUUID(), deployed, covered, live],
    );
  }
  const open = openDatabase({ url, maxConnections: 3 });
  try {
    await act(open, db);
  } finally {
    await open.close();
  }
}

/** Creates a queue that keeps its jobs and never runs them. */
function createIdleQueue(): BackfillQueue & { readonly jobs: Map<string, FillJob> } {
  const jobs = new Map<string, FillJob>();
  const queue = {
    jobs,
    async add(added: readonly { id: string; job: FillJob }[]) {
      for (const { id, job } of added) if (!jobs.has(id)) jobs.set(id, job);
    },
    pending: async () => [...jobs.values()],
  };
  return queue as never;
}

test('gaps are the wanted blocks minus coverage, over all contracts', async () => {
  const contracts = [
    { address: A, deployed: 100, covered: '{[100,200),[300,400)}', live: 900 },
    { address: B, deployed: 350, live: 700 },
    { address: C, deployed: null },
  ];
  await withContracts(1_000, contracts, async ({ kysely }) => {
    const wanted = { chainId: CHAIN_ID, head: 1_000, standing: true };
    expect(await findGaps(kysely, wanted, [], 10)).toEqual({
      ranges: [
        { from: 200, to: 299 },
        { from: 350, to: 899 },
      ],
      blocks: 650,
    });
    const pending = [{ from: 200, to: 249 }];
    expect((await findGaps(kysely, wanted, pending, 10)).ranges[0]).toEqual({ from: 250, to: 299 });
    const missing = await findMissingWork(kysely, wanted, { from: 0, to: 375 });
    expect(missing).toMatchObject({ from: 200, to: 375, contracts: [{ address: A }, { address: B }] });
    expect((await findMissingWork(kysely, wanted, { from: 600, to: 800 }))?.contracts).toHaveLength(2);
    expect((await findMissingWork(kysely, wanted, { from: 701, to: 800 }))?.contracts).toMatchObject([{ address: A }]);
    expect(await findMissingWork(kysely, wanted, { from: 900, to: 1_000 })).toBeUndefined();
  });
});

test('a failed range is not a gap of the contracts it was tried for, but is one of a contract registered later', async () => {
  await withContracts(1_000, [{ address: A, deployed: 100, live: 900 }], async ({ kysely }, db) => {
    const wanted = { chainId: CHAIN_ID, head: 1_000, standing: true };
    await recordFailedRange(kysely, CHAIN_ID, { from: 200, to: 399 }, 'no');
    const gapsLeft = [
      { from: 100, to: 199 },
      { from: 400, to: 899 },
    ];
    expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual(gapsLeft);
    expect(await findMissingWork(kysely, wanted, { from: 200, to: 399 })).toBeUndefined();
    await db.query(
      `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, live_from, prepared_at)
       values ($1, $2, 'artist_token', $3, 300, 900, now())`,
      [CHAIN_ID, B, randomUUID()],
    );
    expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual([gapsLeft[0], { from: 300, to: 899 }]);
    expect(await findMissingWork(kysely, wanted, { from: 200, to: 399 })).toMatchObject({
      from: 300,
      contracts: [{ address: B }],
    });
    // An hour later the range is tried again.
    await db.query(`update indexer.dead_letters set created_at = now() - interval '61 minutes'`);
    expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual([{ from: 100, to: 899 }]);
  });
});

test('a request ends although its failed range is more than an hour old', async () => {
  await withContracts(1_000, [{ address: A, deployed: 0 }], async ({ kysely }, db) => {
    const request = { id: randomUUID(), chainId: CHAIN_ID, from: 0, to: 99, contracts: null };
    await recordRequest(kysely, request);
    await db.query(`update indexer.contracts set created_at = now() - interval '4 hours'`);
    await db.query(`update indexer.backfills set created_at = now() - interval '3 hours'`);
    await recordFailedRange(kysely, CHAIN_ID, { from: 0, to: 99 }, 'no');
    await db.query(`update indexer.dead_letters set created_at = now() - interval '2 hours'`);
    expect(await progressOf(kysely, request)).toMatchObject({ blocksLeft: 100, blocksToDo: 0 });
  });
});

test('a request wants blocks from its own first block on, also of a contract with an unknown deployment block', async () => {
  await withContracts(
    1_000,
    [
      { address: A, deployed: 800, live: 901 },
      { address: C, deployed: null },
    ],
    async ({ kysely }) => {
      const request = { id: randomUUID(), chainId: CHAIN_ID, from: 500, to: 950, contracts: null };
      const wanted = { chainId: CHAIN_ID, head: 1_000, standing: false };
      expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual([]);
      await recordRequest(kysely, request);
      expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual([{ from: 500, to: 950 }]);
      expect((await findGaps(kysely, { ...wanted, request: randomUUID() }, [], 10)).ranges).toEqual([]);
      expect((await findMissingWork(kysely, wanted, { from: 0, to: 799 }))?.contracts).toMatchObject([{ address: C }]);
      const requestForA = { ...request, id: randomUUID(), from: 0, contracts: [A] };
      await recordRequest(kysely, requestForA);
      expect((await findGaps(kysely, { ...wanted, request: requestForA.id }, [], 10)).ranges).toEqual([
        { from: 800, to: 900 },
      ]);
      expect(await progressOf(kysely, requestForA)).toMatchObject({ blocksLeft: 101, blocksToDo: 101 });
      await recordFailedRange(kysely, CHAIN_ID, { from: 0, to: 2_000 }, 'no');
      expect(await progressOf(kysely, requestForA)).toMatchObject({ blocksLeft: 101, blocksToDo: 0 });
    },
  );
});

test('a lost job is planned again under another id, and a queued job is not planned twice', async () => {
  await withContracts(22_000, [{ address: A, deployed: 0 }], async (open) => {
    const planner = new Planner(open, CHAIN_ID, { standing: true });
    const queue = createIdleQueue();
    expect(await planner.topUp(queue)).toBe('busy');
    const first = [...queue.jobs.keys()];
    expect(first).toHaveLength(6);
    await planner.topUp(queue);
    expect([...queue.jobs.keys()]).toEqual(first);
    queue.jobs.delete(first[2] as string);
    await planner.topUp(queue);
    expect(queue.jobs.size).toBe(6);
    expect(queue.jobs.has(first[2] as string)).toBe(false);
    queue.jobs.clear();
    await planner.topUp(queue);
    expect(queue.jobs.size).toBe(6);
  });
});

test('20 million blocks of 10,000 contracts are planned one window at a time, with little memory', async () => {
  const blocks = 20_000_000;
  await withContracts(blocks, [], async (open, db) => {
    // Every contract was deployed at another block and covers three ranges of its own.
    await db.query(
      `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, covered, prepared_at)
       select $1, '0x' || lpad(to_hex(n), 40, '0'), 'artist_token', gen_random_uuid(), n * 1500, int8multirange(
         int8range(n * 1500 + 100, n * 1500 + 400), int8range(n * 1500 + 600, n * 1500 + 700), int8range(n * 1600, n * 1700)), now()
       from generate_series(0, 9999) as n`,
      [CHAIN_ID],
    );
    // A failed range does not concern contracts that were registered after it failed. There may be thousands of both.
    await db.query(
      `insert into indexer.dead_letters (id, chain_id, kind, range_from, range_to, reason, created_at)
       select gen_random_uuid(), $1, 'job', n * 10, n * 10 + 5, 'no', now() - interval '1 minute' from generate_series(0, 4999) as n`,
      [CHAIN_ID],
    );
    const planner = new Planner(open, CHAIN_ID, { standing: true });
    const queue = createIdleQueue();
    await planner.topUp(queue); // Compiles and connects, which the measurement below leaves out.
    queue.jobs.clear();
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    await planner.topUp(queue);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * 2 ** 20);
    expect(queue.jobs.size).toBe(WINDOW_JOBS);
    // Jobs do not overlap, and the next plan continues after the last of them.
    const planned = [...queue.jobs.values()].sort((a, b) => a.from - b.from);
    for (let at = 1; at < planned.length; at += 1) expect(planned[at]?.from).toBeGreaterThan(planned[at - 1]?.to ?? 0);
    const wanted = { chainId: CHAIN_ID, head: blocks, standing: true };
    expect((await findMissingWork(open.kysely, wanted, { from: 0, to: 49_999 }))?.contracts).toHaveLength(34);
    const next = await findGaps(open.kysely, wanted, planned, WINDOW_JOBS);
    expect(next.ranges[0]?.from).toBe((planned.at(-1) as BlockRange).to + 1);
    expect(cutGaps(next.ranges, next.blocks, WINDOW_JOBS)).toHaveLength(WINDOW_JOBS);
  });
});
