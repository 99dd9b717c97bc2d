import { type RawBuilder, sql } from 'kysely';
import type { FactTable } from '../../facts/fact-table.ts';
import type { Hex } from '../../kernel/chain.ts';

/**
 * The block range that one SQL statement checks: `from` to `to`, both included, for all sweeps whose ids are in `sweeps`. Each of them has
 * a row in `indexer.sweeps` and checks the facts of one contract against one rule, one window after the other.
 */
export type SweepWindow = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly sweeps: readonly string[];
};

/** A contradiction between facts: the sweep that found it, the blocks in which a log may be missing, and a sentence that describes it. */
export type Contradiction = {
  readonly sweep: string;
  readonly from: string;
  readonly to: string;
  readonly detail: string;
};

/**
 * A rule that the facts of a contract obey if none is missing.
 *
 * The windows of a sweep follow each other without a gap from the contract's first block on. So a rule may store the values that later
 * windows need in `indexer.sweep_values`, with one row per key. A rule does not read facts of earlier windows, except by one index look-up
 * for each fact that it checks.
 */
export type SweepRule = {
  readonly name: string;
  /** The tables whose facts a window reads. */
  readonly reads: readonly FactTable[];
  /** Whether the missing log may be older than the blocks that the contradiction names. If these lack no log, older blocks are read too. */
  readonly mayBeOlder: boolean;
  /**
   * Returns one statement that checks the facts in a window against the rule, and stores the values that the next window needs. The
   * statement returns at most `CONTRADICTIONS_MAX` rows for each sweep.
   */
  ask(window: SweepWindow): RawBuilder<Contradiction>;
};

/** Describes how the supply of a contract follows from facts. The result is compared with `totalSupply()`. */
export type SupplyRule = {
  /** The rule that stores the supply in `indexer.sweep_values`, under the key `SUPPLY_KEY`. */
  readonly ledger: SweepRule;
  /** Returns a query with one row. Its column `change` is the amount by which a contract's facts in a range of blocks change its supply. */
  change(range: Omit<SweepWindow, 'sweeps'> & { readonly address: Hex }): RawBuilder<{ readonly change: string }>;
};

/** The rules by which the facts of a protocol are checked for contradictions. */
export type Contradictions = { readonly rules: readonly SweepRule[]; readonly supply?: SupplyRule };

/** The name of the rule that compares the supply with the chain. */
export const SUPPLY_RULE = 'supply';

/** The key of the supply in `indexer.sweep_values`. It differs from all other keys, because no token id and no wallet is empty. */
export const SUPPLY_KEY = '';

/** The maximum number of contradictions of one sweep that are recorded at the same time. Others most likely have the same cause. */
export const CONTRADICTIONS_MAX = 16;

/** Returns a query for the sweeps of a window, with their `id`, the `address` of the contract and its `first_block`. */
export function sweptContracts({ sweeps }: SweepWindow): RawBuilder<unknown> {
  return sql`select id, address, first_block from indexer.sweeps where id = any(${sweeps}::bigint[])`;
}

/**
 * Returns a query for the `value` and `position` that earlier windows stored for a key. Use the query in a `lateral` join, which
 * PostgreSQL always runs as one index look-up for each row that fulfils the condition.
 */
export function remembered(
  sweep: RawBuilder<unknown>,
  key: RawBuilder<unknown>,
  condition: RawBuilder<boolean> = sql`true`,
): RawBuilder<unknown> {
  return sql`
    select value, position from indexer.sweep_values held
    where ${condition} and held.sweep_id = ${sweep} and held.key = ${key} limit 1`;
}

/**
 * Returns the final part of a rule's statement, which selects the first contradictions of each sweep. This part reads the common table
 * expressions `swept` and `found`. `found` has the sweep's `id`, the positions `since` and `position` between which a log may be missing,
 * and the `detail`. `since` is null if there is no earlier fact.
 */
export function firstContradictions(): RawBuilder<Contradiction> {
  return sql`
    select id as sweep, coalesce(since >> 32, first_block) as from, position >> 32 as to, detail
    from (select found.*, row_number() over (partition by id order by position) as place from found) found
    join swept using (id)
    where place <= ${sql.lit(CONTRADICTIONS_MAX)} order by position
  `;
}
