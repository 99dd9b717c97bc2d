import { sleep } from '../indexer/kernel/sleep.ts';
import type { Anvil } from '../test/kit/anvil-node.ts';
import {
  compareWithChain,
  describeComparison,
  headOf,
  incompleteContracts,
  type Subject,
} from '../test/kit/oracle/check-database.ts';
import type { Queryable } from '../test/kit/queryable.ts';
import { areStagesAtHead } from '../test/kit/settle-stages.ts';
import type { Verified } from './verify-mirror.ts';

/** The result of the comparison at the end of the demo. */
export type Summary = {
  /** Whether the database caught up in time and equals the chain. */
  readonly equal: boolean;
  readonly block: number | null;
  readonly tables: readonly TableSummary[];
  /** A sentence for every difference. */
  readonly differences: readonly string[];
  readonly reorgs: number;
  readonly deepestReorg: number;
  /** What `indexer verify --all` compared. Undefined if it was not run. */
  readonly verified?: Pick<Verified, 'answers' | 'blocks'>;
};

/** The comparison of one table: stored rows, expected rows, and the number of differences. */
type TableSummary = {
  readonly table: string;
  readonly stored: number;
  readonly expected: number;
  readonly differences: number;
};

type Scene = { readonly db: Queryable; readonly anvil: Anvil; readonly subjects: readonly Subject[] };

const CATCH_UP_TIMEOUT_MS = 60_000;
const CHECK_INTERVAL_MS = 100;

/**
 * Waits until the database has caught up with a chain that no longer grows, and compares the two. A database that does not catch
 * up in time counts as a difference.
 */
export async function summarise(
  { db, anvil, subjects }: Scene,
  signal?: AbortSignal,
  timeoutMs: number = CATCH_UP_TIMEOUT_MS,
): Promise<Summary> {
  const deadline = Date.now() + timeoutMs;
  let missing = await findMissing({ db, anvil, subjects });
  while (missing !== undefined && Date.now() < deadline) {
    signal?.throwIfAborted();
    await sleep(CHECK_INTERVAL_MS, signal);
    missing = await findMissing({ db, anvil, subjects });
  }
  signal?.throwIfAborted();
  const comparison = await compareWithChain(db, anvil, subjects);
  const differences = describeComparison(comparison);
  const tables = comparison.tables.map((table) => ({ ...table, differences: table.differences.length }));
  const { rows } = await db.query(
    `select count(*) as reorgs, coalesce(max(depth), 0) as deepest from indexer.reorgs where reason = 'reorg'`,
  );
  const all = missing === undefined ? differences : [`not caught up after ${timeoutMs} ms: ${missing}`, ...differences];
  return {
    ...{ equal: all.length === 0, block: (await headOf(db, anvil.chainId))?.number ?? null },
    ...{ tables, differences: all },
    ...{ reorgs: Number(rows[0]?.reorgs), deepestReorg: Number(rows[0]?.deepest) },
  };
}

/** Returns what the database still misses (the chain's head, history, or the work of stages), or undefined. */
async function findMissing({ db, anvil, subjects }: Scene): Promise<string | undefined> {
  const { number, hash } = await anvil.client.getBlock();
  const head = await headOf(db, anvil.chainId);
  if (head === undefined || head.hash !== hash)
    return `it is at block ${head?.number ?? 'none'}, the chain at ${number}`;
  const gaps = await incompleteContracts(db, anvil.chainId, head.number, subjects);
  if (gaps.length > 0) return `contracts with gaps: ${gaps.join(', ')}`;
  if (!(await areStagesAtHead(db, [anvil.chainId]))) return 'stages that are not at the head';
  const { rows } = await db.query(
    `select count(*) as uncounted from master_ipos ipo where minted_supply is distinct from
       (select sum(minted_supply) from master_contracts where master_id = ipo.master_id)`,
  );
  if (Number(rows[0]?.uncounted) > 0) return `offerings whose minted supply is not counted: ${rows[0]?.uncounted}`;
  return undefined;
}
