import type pg from 'pg';
import { createPublicClient, custom } from 'viem';
import { expect } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { Chain } from './chain.ts';
import { answer } from './chain-rpc.ts';
import { SUBJECTS } from './music.ts';
import { compareWithChain, describeComparison, headOf, type Subject } from './oracle/check-database.ts';
import { isUnsettled } from './oracle/compare.ts';
import type { LiveChain } from './oracle/live-chain.ts';
import type { Queryable } from './queryable.ts';
import { until } from './until.ts';

/** Reads a chain in memory directly, past every server that misbehaves. */
export function truthOf(chain: Chain): LiveChain {
  const request = async ({ method, params }: { method: string; params?: unknown }) =>
    answer({ chain, lag: 0 }, method, (params ?? []) as unknown[]);
  return { chainId: chain.chainId, client: createPublicClient({ transport: custom({ request }), cacheTime: 0 }) };
}

/**
 * Waits until the database is at the chain's head with no gap behind it, and expects every table to equal the computation from
 * the chain, row for row. The chain must stand still.
 */
export async function expectSettled(
  db: Queryable,
  truth: LiveChain,
  subjects: readonly Subject[] = SUBJECTS,
): Promise<void> {
  const { hash } = await truth.client.getBlock();
  await until('the head of the chain', () => atHead(db, truth.chainId, hash));
  await until('history without gaps', () => isComplete(db, truth.chainId));
  const { tables, problems } = await compareWithChain(db, truth, subjects);
  const differences = tables.flatMap((table) => table.differences);
  // Stages run behind the commits.
  const settled = tables.map((table) => ({
    ...table,
    differences: table.differences.filter((difference) => !isUnsettled(difference)),
  }));
  expect(describeComparison({ tables: settled, problems })).toEqual([]);
  if (differences.length === 0) return;
  await until(
    'the stages to settle',
    async () => describeComparison(await compareWithChain(db, truth, subjects)).length === 0,
  );
}

/** Returns whether the database's head is this block. */
export async function atHead(db: Queryable, chainId: number, hash: Hex): Promise<boolean> {
  return (await headOf(db, chainId))?.hash === hash;
}

async function isComplete(db: Queryable, chainId: number): Promise<boolean> {
  const { rows } = await db.query(
    `select from indexer.contracts join indexer.chains using (chain_id)
     where chain_id = $1 and contracts.status = 'active' and not int8multirange(int8range(deployed_at_block, head_number + 1))
       <@ (covered + case when live_from is null then '{}' else int8multirange(int8range(live_from, null)) end)`,
    [chainId],
  );
  return rows.length === 0;
}

/** Reads what `indexer.reorgs` records about a chain, oldest first. */
export async function reorgsOf(db: Queryable, chainId: number): Promise<{ from: number; to: number; depth: number }[]> {
  const { rows } = await db.query(
    'select from_number, to_number, depth from indexer.reorgs where chain_id = $1 order by id',
    [chainId],
  );
  return rows.map((row) => ({ from: Number(row.from_number), to: Number(row.to_number), depth: Number(row.depth) }));
}

/**
 * Expects the facts of a made-up platform to be exactly the logs of the blocks that its contracts' coverage claims: none is
 * missing and none is beyond. This holds at every moment, also while history has gaps, and while PostgreSQL commits what a
 * process sent before it died.
 */
export async function expectFactsAsCovered(db: pg.Pool, chain: Chain): Promise<void> {
  const { coverage, facts } = await inOneSnapshot(db, chain.chainId);
  const covered = new Set(coverage.map(({ address, block }) => `${address} ${block}`));
  const expected = chain.logs().filter(({ address, blockNumber }) => covered.has(`${address} ${blockNumber}`));
  const stored = facts.map((row) => `${row.address} ${row.block_number} ${row.log_index}`);
  expect(stored.sort()).toEqual(
    expected.map(({ address, blockNumber, logIndex }) => `${address} ${blockNumber} ${logIndex}`).sort(),
  );
}

async function inOneSnapshot(db: pg.Pool, chainId: number) {
  const client = await db.connect();
  try {
    await client.query('begin isolation level repeatable read');
    const coverage = await client.query(
      `select address, kind, block from indexer.contracts join indexer.chains using (chain_id),
         generate_series(0, head_number) as block
       where chain_id = $1 and (covered @> block or live_from <= block)`,
      [chainId],
    );
    const facts = await client.query(
      `select contract_address as address, block_number, log_index from nft_transfers where chain_id = $1::text
       union select contract_address, block_number, log_index from token_transfers where chain_id = $1::text
       union select pool_address, block_number, log_index from pool_events where chain_id = $1::text
       union select contract_address, block_number, log_index from dividend_events where chain_id = $1::text
       union select address, block_number, log_index from indexer.contract_events where chain_id = $1::text::bigint`,
      [String(chainId)],
    );
    return { coverage: coverage.rows, facts: facts.rows };
  } finally {
    await client.query('rollback');
    client.release();
  }
}
