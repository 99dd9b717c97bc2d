import type pg from 'pg';
import { createPublicClient, custom } from 'viem';
import { expect } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { Chain } from './chain.ts';
import { answer } from './chain-rpc.ts';
import { SUBJECTS } from './music.ts';
import { compareWithChain, describeComparison, headOf, type Subject } from './oracle/check-database.ts';
import { mayBePending } from './oracle/compare.ts';
import type { LiveChain } from './oracle/live-chain.ts';
import type { Queryable } from './queryable.ts';
import { until } from './until.ts';

/** Returns a client that reads a chain in memory directly, without a server and its faults. */
export function liveChainOf(chain: Chain): LiveChain {
  const request = async ({ method, params }: { method: string; params?: unknown }) =>
    answer({ chain, lag: 0 }, method, (params ?? []) as unknown[]);
  return { chainId: chain.chainId, client: createPublicClient({ transport: custom({ request }), cacheTime: 0 }) };
}

/**
 * Waits until the database is at the chain's head and has no gap below it, and expects every row of every table to equal what the
 * oracle computes from the chain. The chain must not change meanwhile.
 */
export async function expectSettled(
  db: Queryable,
  chain: LiveChain,
  subjects: readonly Subject[] = SUBJECTS,
): Promise<void> {
  const { hash } = await chain.client.getBlock();
  await until('the head of the chain', () => atHead(db, chain.chainId, hash));
  await until('history without gaps', () => isComplete(db, chain.chainId));
  const { tables, problems } = await compareWithChain(db, chain, subjects);
  const differences = tables.flatMap((table) => table.differences);
  // Stages run after the commits, so their rows may differ for a while.
  const committed = tables.map((table) => ({
    ...table,
    differences: table.differences.filter((difference) => !mayBePending(difference)),
  }));
  expect(describeComparison({ tables: committed, problems })).toEqual([]);
  if (differences.length === 0) return;
  await until(
    'the stages to settle',
    async () => describeComparison(await compareWithChain(db, chain, subjects)).length === 0,
  );
}

/** Returns whether a block is the head of the database. */
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

/** Reads the reorgs of a chain from `indexer.reorgs`, oldest first. */
export async function reorgsOf(db: Queryable, chainId: number): Promise<{ from: number; to: number; depth: number }[]> {
  const { rows } = await db.query(
    'select from_number, to_number, depth from indexer.reorgs where chain_id = $1 order by id',
    [chainId],
  );
  return rows.map((row) => ({ from: Number(row.from_number), to: Number(row.to_number), depth: Number(row.depth) }));
}

/**
 * Expects the facts (the decoded logs in the database) to be exactly the logs of the blocks that are covered for their contracts. This
 * holds at every moment, even while history has gaps, and while PostgreSQL commits what a process sent before it died.
 */
export async function expectFactsAsCovered(db: pg.Pool, chain: Chain): Promise<void> {
  const { coverage, facts } = await readCoverageAndFacts(db, chain.chainId);
  const covered = new Set(coverage.map(({ address, block }) => `${address} ${block}`));
  const expected = chain.logs().filter(({ address, blockNumber }) => covered.has(`${address} ${blockNumber}`));
  const stored = facts.map((row) => `${row.address} ${row.block_number} ${row.log_index}`);
  expect(stored.sort()).toEqual(
    expected.map(({ address, blockNumber, logIndex }) => `${address} ${blockNumber} ${logIndex}`).sort(),
  );
}

/** Reads the covered blocks of each contract and the facts, in one snapshot. */
async function readCoverageAndFacts(db: pg.Pool, chainId: number) {
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
