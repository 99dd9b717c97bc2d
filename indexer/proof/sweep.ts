import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { type Transaction, transaction } from '../db/transaction.ts';
import { isOfChain, tableOf } from '../facts/facts-sql.ts';
import { missingBlocks } from '../progress/contract-coverage.ts';
import { lockChain, tryLockSweeps } from '../progress/locks.ts';
import { CONTRADICTIONS_MAX, type Contradiction, type SweepRule } from '../protocols/shared/sweep-rule.ts';
import { settleReadDoubts } from './settle-doubts.ts';
import { beginSweeps, isOutdated, sweepRules } from './sweep-registry.ts';

/** The maximum number of facts of one table that a statement reads, unless one block holds more. */
export const SWEEP_FACTS_MAX = 5_000;

/**
 * Settings for statements that join many contracts with many facts. PostgreSQL cannot estimate their numbers, and a nested loop could
 * compare each pair. Look-ups in `lateral` stay nested loops. Their estimated cost is then high, but must not start JIT compilation.
 */
const PLAN = "select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)";

/** The input of one step of the sweeps, which check the facts of contracts against rules. */
export type SweepStep = {
  readonly chainId: number;
  /** The block up to which facts are checked. It must be final. */
  readonly target: number;
  /** Which sweeps to advance: those that have reached the highest block (`furthest first`), or the lowest block (`last first`). */
  readonly order: 'furthest first' | 'last first';
  /** Replaces `SWEEP_FACTS_MAX` in tests. */
  readonly factsMax?: number;
};

/** The result of a step. `swept`: there may be more to do; `idle`: nothing is left to do; `busy`: another process sweeps the chain. */
export type SweepOutcome = 'swept' | 'idle' | 'busy';

/** Sweeps of one rule that have all reached block `from`, and the block up to which they can advance. */
type SweepGroup = {
  readonly rule: string;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly sweeps: readonly string[];
};

/**
 * Checks the facts in one window (a range of blocks) against one rule, for all contracts whose sweeps have reached the same block, and
 * records contradictions as doubts. Sweeps that lag stop at the block that other sweeps have reached, and then advance together with them,
 * so that facts are read once for all contracts.
 *
 * A rule holds only while no fact is missing, so a sweep never passes the block up to which its contract's history is complete.
 *
 * The transaction holds the chain's lock in shared mode, so no unwind, purge or repair runs meanwhile. One process at a time sweeps a
 * chain.
 */
export async function sweepOnce(database: Database, step: SweepStep): Promise<SweepOutcome> {
  const { chainId, factsMax = SWEEP_FACTS_MAX } = step;
  return transaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'shared')]);
    if (!(await tryLockSweeps(tx, chainId))) return 'busy';
    await settleReadDoubts(tx, chainId);
    if (!(await beginSweeps(tx, chainId))) return 'swept';
    const group = await nextGroup(tx, step);
    const rule = sweepRules.find(({ kind, rule: { name } }) => kind === group?.kind && name === group.rule)?.rule;
    if (group === undefined || rule === undefined) return 'idle';
    const to = await windowEnd(tx, { chainId, from: Number(group.from), to: Number(group.to), factsMax }, rule);
    const window = { chainId, from: Number(group.from) + 1, to, sweeps: group.sweeps };
    await sql.raw(PLAN).execute(tx);
    const { rows } = await rule.ask(window).execute(tx);
    await sql`update indexer.sweeps set swept_to = ${to} where id = any(${group.sweeps}::bigint[])`.execute(tx);
    await recordDoubts(tx, rows);
    return 'swept';
  });
}

/**
 * Returns the sweeps to advance. Leaves out sweeps that have reached the block up to which their contract's history is complete, sweeps
 * with at least `CONTRADICTIONS_MAX` unsettled doubts, and sweeps that ended because their contract contradicts the rule by nature.
 */
async function nextGroup(tx: Transaction, { chainId, target, order }: SweepStep): Promise<SweepGroup | undefined> {
  const direction = order === 'furthest first' ? sql`desc` : sql`asc`;
  const rules = [...new Set(sweepRules.map(({ rule }) => rule.name))];
  const { rows } = await sql<SweepGroup>`
    with doubted as materialized (
      select address, kind, rule from indexer.doubts where chain_id = ${chainId} and status <> 'property'
      group by address, kind, rule having count(*) >= ${CONTRADICTIONS_MAX}
    ),
    ready as materialized (
      select sweep.id, kind, sweep.rule, sweep.swept_to, coalesce(lower(${missingBlocks(target)}) - 1, ${target}) as complete_to
      from indexer.sweeps sweep join indexer.contracts contract using (chain_id, address, kind)
      where chain_id = ${chainId} and contract.status = 'active' and sweep.rule = any(${rules}) and not sweep.property
        and sweep.swept_to < ${target}::bigint and not ${isOutdated}
        and not exists (select from doubted where doubted.address = sweep.address and doubted.kind = sweep.kind and doubted.rule = sweep.rule)
    ),
    behind as materialized (select * from ready where swept_to < complete_to),
    chosen as (select kind, rule, swept_to from behind order by swept_to ${direction}, rule, kind limit 1)
    select kind, rule, swept_to as from, array_agg(id) as sweeps, least(min(complete_to), (
      select min(next.swept_to) from behind next join chosen using (kind, rule) where next.swept_to > chosen.swept_to)) as to
    from behind join chosen using (kind, rule, swept_to) group by kind, rule, swept_to
  `.execute(tx);
  return rows[0];
}

/** Blocks above `from`, up to and including `to`, and the number of facts of one table that may be read together. */
export type WindowLimit = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly factsMax: number;
};

/** Returns the last block of a window that begins after block `from`. The window has one block, or at most `factsMax` facts per table. */
export async function windowEnd(
  tx: Transaction,
  { chainId, from, to, factsMax }: WindowLimit,
  { reads }: Pick<SweepRule, 'reads'>,
): Promise<number> {
  const next: RawBuilder<unknown>[] = reads.map(
    (table) => sql`
      (select block_number - 1 from ${tableOf(table)}
        where ${isOfChain(table, chainId)} and block_number > ${from} and block_number <= ${to}
        order by block_number, log_index offset ${factsMax} limit 1)`,
  );
  const { rows } = await sql<{ end: string }>`
    select greatest(least(${to}::bigint, ${sql.join(next)}), ${from}::bigint + 1) as end
  `.execute(tx);
  return Number(rows[0]?.end ?? to);
}

/** Records contradictions as doubts: blocks in which a log may be missing. Leaves doubts that are already recorded as they are. */
export async function recordDoubts(tx: Transaction, found: readonly Contradiction[]): Promise<void> {
  if (found.length === 0) return;
  await sql`
    insert into indexer.doubts (chain_id, address, kind, rule, from_block, to_block, detail)
    select distinct on (sweep.id, found.from_block, found.to_block)
      chain_id, address, kind, rule, found.from_block, found.to_block, found.detail
    from unnest(${found.map(({ sweep }) => sweep)}::bigint[], ${found.map(({ from }) => from)}::bigint[],
      ${found.map(({ to }) => to)}::bigint[], ${found.map(({ detail }) => detail)}::text[])
      as found (sweep_id, from_block, to_block, detail)
    join indexer.sweeps sweep on sweep.id = found.sweep_id
    on conflict do nothing
  `.execute(tx);
}
