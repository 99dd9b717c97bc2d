import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { readSnapshot } from '../db/transaction.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import { listDifferences } from '../ingest/prove.ts';
import { readInFull } from '../ingest/repair-blocks.ts';
import { Aborted, messageOf, RpcError, RpcInconsistency, StaleRange } from '../kernel/errors.ts';
import { readChain } from '../progress/chains.ts';
import { factTables } from '../protocols/protocols.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import type { Difference, Report } from './difference.ts';
import { seededRandom } from './random.ts';

/** The maximum number of attempts to compare a block. An attempt fails if the chain is unwound below the block meanwhile. */
const ATTEMPTS_MAX = 5;

/** The input of a comparison of facts with receipts. */
export type ReceiptComparison = {
  readonly database: Database;
  readonly source: Source;
  readonly chainId: number;
  /** The contracts whose facts are compared. */
  readonly contracts: readonly RegisteredContract[];
};

/**
 * Chooses a sample of blocks up to `to` by the seed, and returns it in ascending order. Half of them are chosen among all blocks since the
 * first deployment of a contract, the other half among the blocks with facts. The sample is smaller than `count` if a block is chosen
 * twice or too few blocks have facts.
 */
export async function sampleBlocks(
  { database, chainId, contracts }: Omit<ReceiptComparison, 'source'>,
  to: number,
  count: number,
  seed: number,
): Promise<readonly number[]> {
  const random = seededRandom(seed);
  const first = Math.min(to, ...contracts.map(({ deployedAtBlock }) => deployedAtBlock ?? 0));
  const any = Array.from({ length: count }, () => first + Math.floor(random() * (to - first + 1)));
  const tables = factTables.filter(({ name }) => name !== 'dead_letters');
  // PostgreSQL finds the next block with a fact by the unique index of each table, which begins with (chain_id, block_number, log_index).
  const next = tables.map(
    (table) => sql`
      (select block_number::bigint as block from ${tableOf(table)}
        where ${isOfChain(table, chainId)} and block_number >= start and block_number <= ${to} order by block_number limit 1)`,
  );
  const starts = any.filter((_, at) => at % 2 === 1);
  const { rows } = await readSnapshot(database, (tx) =>
    sql<{ block: string }>`
      select distinct block from unnest(${starts}::bigint[]) as start,
        lateral (select min(block) as block from (${sql.join(next, sql` union all `)}) found) nearest
      where block is not null
    `.execute(tx),
  );
  const chosen = [...any.filter((_, at) => at % 2 === 0), ...rows.map(({ block }) => Number(block))];
  return [...new Set(chosen)].sort((a, b) => a - b);
}

/**
 * Compares the facts of one block with its receipts, which are checked against the block's `receiptsRoot`. Adds a note to the report if
 * no endpoint gives valid receipts, or if neither the `receiptsRoot` nor the bloom of the block proves them.
 *
 * @returns whether the block was compared
 */
export async function compareBlock(
  comparison: ReceiptComparison,
  block: number,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { differences, isProved } = await readAndCompare(comparison, block, signal);
      for (const difference of differences) report.difference(difference);
      if (!isProved) report.note(`nothing proves the receipts of block ${block}`);
      return true;
    } catch (error) {
      if (error instanceof StaleRange && attempt < ATTEMPTS_MAX) continue;
      if (error instanceof Aborted || !isAboutBlock(error)) throw error;
      report.note(`block ${block} was not compared with its receipts: ${messageOf(error)}`);
      return false;
    }
  }
}

function isAboutBlock(error: unknown): boolean {
  if (error instanceof RpcInconsistency || error instanceof StaleRange) return true;
  return (
    error instanceof RpcError &&
    (error.kind === 'pruned' || error.kind === 'rejected' || error.kind === 'unknown-block')
  );
}

async function readAndCompare(
  { database, source, chainId, contracts }: ReceiptComparison,
  block: number,
  signal: AbortSignal,
): Promise<{ readonly differences: readonly Difference[]; readonly isProved: boolean }> {
  const seen = await readChain(database.kysely, chainId);
  const { range, batch } = await readInFull(source, { from: block, to: block, contracts, inFull: 'receipts' }, signal);
  const found = await listDifferences(database, { seen, range, batch, contracts });
  const differences = found.map(({ contract, table, id, heldBy }): Difference => {
    const isStored = heldBy === 'database';
    const { address, kind } = contract;
    return {
      ...{ comparison: 'receipts', chainId, kind, contract: address, table: table.name, column: '*', key: id },
      ...{
        stored: isStored ? 'a fact' : null,
        expected: isStored ? null : 'a fact',
        block,
        blocks: { from: block, to: block },
      },
    };
  });
  return { differences, isProved: (range.unprovedBlocks ?? []).length === 0 };
}
