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
import { database } from '../kit/follow.ts';

const CHAIN_ID = 31_337;
const [A, B, C] = ['a', 'b', 'c'].map((digit) => `0x${digit.repeat(40)}`) as [Hex, Hex, Hex];

type Held = {
  readonly address: Hex;
  readonly deployed: number | null;
  readonly covered?: string;
  readonly live?: number;
};

async function withContracts(
  head: number,
  contracts: readonly Held[],
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

/** A queue that keeps what it is given and never works on it. */
function shelf(): BackfillQueue & { readonly jobs: Map<string, FillJob> } {
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

test('gaps are the wish less coverage, over all contracts at once', async () => {
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
    const lack = await findMissingWork(kysely, wanted, { from: 0, to: 375 });
    expect(lack).toMatchObject({ from: 200, to: 375, contracts: [{ address: A }, { address: B }] });
    expect((await findMissingWork(kysely, wanted, { from: 600, to: 800 }))?.contracts).toHaveLength(2);
    expect((await findMissingWork(kysely, wanted, { from: 701, to: 800 }))?.contracts).toMatchObject([{ address: A }]);
    expect(await findMissingWork(kysely, wanted, { from: 900, to: 1_000 })).toBeUndefined();
  });
});

test('what was given up on is no gap of those that were there, but of a contract that is registered later', async () => {
  await withContracts(1_000, [{ address: A, deployed: 100, live: 900 }], async ({ kysely }, db) => {
    const wanted = { chainId: CHAIN_ID, head: 1_000, standing: true };
    await recordFailedRange(kysely, CHAIN_ID, { from: 200, to: 399 }, 'no');
    const left = [
      { from: 100, to: 199 },
      { from: 400, to: 899 },
    ];
    expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual(left);
    expect(await findMissingWork(kysely, wanted, { from: 200, to: 399 })).toBeUndefined();
    await db.query(
      `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, live_from, prepared_at)
       values ($1, $2, 'artist_token', $3, 300, 900, now())`,
      [CHAIN_ID, B, randomUUID()],
    );
    expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual([left[0], { from: 300, to: 899 }]);
    expect(await findMissingWork(kysely, wanted, { from: 200, to: 399 })).toMatchObject({
      from: 300,
      contracts: [{ address: B }],
    });
    // Some time later it is tried again.
    await db.query(`update indexer.dead_letters set created_at = now() - interval '61 minutes'`);
    expect((await findGaps(kysely, wanted, [], 10)).ranges).toEqual([{ from: 100, to: 899 }]);
  });
});

test('a request ends although what was given up on for it is more than an hour ago', async () => {
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

test('a request lowers the wish to its own first block, also of a contract of unknown age, and no further', async () => {
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
      const only = { ...request, id: randomUUID(), from: 0, contracts: [A] };
      await recordRequest(kysely, only);
      expect((await findGaps(kysely, { ...wanted, request: only.id }, [], 10)).ranges).toEqual([
        { from: 800, to: 900 },
      ]);
      expect(await progressOf(kysely, only)).toMatchObject({ blocksLeft: 101, blocksToDo: 101 });
      await recordFailedRange(kysely, CHAIN_ID, { from: 0, to: 2_000 }, 'no');
      expect(await progressOf(kysely, only)).toMatchObject({ blocksLeft: 101, blocksToDo: 0 });
    },
  );
});

test('a lost job is planned again under another id; one that is in the queue is not', async () => {
  await withContracts(11_000, [{ address: A, deployed: 0 }], async (open) => {
    const planner = new Planner(open, CHAIN_ID, { standing: true });
    const queue = shelf();
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

test('20 million blocks and 10,000 contracts are planned in a window, with little memory', async () => {
  const blocks = 20_000_000;
  await withContracts(blocks, [], async (open, db) => {
    // Every contract began at another block and holds three stretches of its own.
    await db.query(
      `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, covered, prepared_at)
       select $1, '0x' || lpad(to_hex(n), 40, '0'), 'artist_token', gen_random_uuid(), n * 1500, int8multirange(
         int8range(n * 1500 + 100, n * 1500 + 400), int8range(n * 1500 + 600, n * 1500 + 700), int8range(n * 1600, n * 1700)), now()
       from generate_series(0, 9999) as n`,
      [CHAIN_ID],
    );
    // None of it matters to contracts that came later, and there may be as many of one as of the other.
    await db.query(
      `insert into indexer.dead_letters (id, chain_id, kind, range_from, range_to, reason, created_at)
       select gen_random_uuid(), $1, 'job', n * 10, n * 10 + 5, 'no', now() - interval '1 minute' from generate_series(0, 4999) as n`,
      [CHAIN_ID],
    );
    const planner = new Planner(open, CHAIN_ID, { standing: true });
    const queue = shelf();
    await planner.topUp(queue); // what is compiled and connected once
    queue.jobs.clear();
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    await planner.topUp(queue);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * 2 ** 20);
    expect(queue.jobs.size).toBe(WINDOW_JOBS);
    // Every job is the continuation of the plan: done, they leave the next blocks.
    const planned = [...queue.jobs.values()].sort((a, b) => a.from - b.from);
    for (let at = 1; at < planned.length; at += 1) expect(planned[at]?.from).toBeGreaterThan(planned[at - 1]?.to ?? 0);
    const wanted = { chainId: CHAIN_ID, head: blocks, standing: true };
    expect((await findMissingWork(open.kysely, wanted, { from: 0, to: 49_999 }))?.contracts).toHaveLength(34);
    const next = await findGaps(open.kysely, wanted, planned, WINDOW_JOBS);
    expect(next.ranges[0]?.from).toBe((planned.at(-1) as BlockRange).to + 1);
    expect(cutGaps(next.ranges, next.blocks, WINDOW_JOBS)).toHaveLength(WINDOW_JOBS);
  });
});
