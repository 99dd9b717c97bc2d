import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { restartSweeps } from '../progress/sweep-rows.ts';
import { SUPPLY_RULE } from '../protocols/shared/sweep-rule.ts';
import { sweepRules } from './sweep-registry.ts';

/** A doubt (blocks in which a log may be missing) whose blocks were read, with the values that decide what happens to it. */
export type ReadDoubt = BlockRange & {
  /** Whether reading the blocks changed facts. */
  readonly hasChanged: boolean;
  /** Whether the sweep, which checks the contract's facts against a rule, has started over since it found the contradiction. */
  readonly hasRestarted: boolean;
  /** The first block of the contract's history. */
  readonly firstBlock: number;
  /** Whether the missing log may be older than the blocks of the contradiction. */
  readonly mayBeOlder: boolean;
  /** Whether the supply of the contract is known to change without logs. */
  readonly mintsInSilence: boolean;
};

/**
 * The decision after the blocks of a doubt were read. `drop`: delete the doubt, because a new sweep will find the contradiction again if it
 * is still there. `restart`: start all sweeps of the contract over, because its facts changed. `widen`: doubt older blocks instead.
 * `property`: no log is missing, because the contract contradicts the rule by nature.
 */
export type Settlement =
  | { readonly action: 'drop' | 'restart' | 'property' }
  | ({ readonly action: 'widen' } & BlockRange);

/** A doubt that is widened to older blocks covers this many times as many blocks as before. */
const WIDENING_FACTOR = 16;
/** The maximum number of doubts that are settled together. */
const SETTLED_MAX = 100;

/** Decides what follows from reading the blocks of a doubt. Pure. */
export function settleDoubt(doubt: ReadDoubt): Settlement {
  if (doubt.hasRestarted) return { action: 'drop' };
  if (doubt.hasChanged) return { action: 'restart' };
  if (doubt.mayBeOlder && doubt.from > doubt.firstBlock && !doubt.mintsInSilence) {
    const blocks = (doubt.to - doubt.from + 1) * WIDENING_FACTOR;
    return { action: 'widen', from: Math.max(doubt.firstBlock, doubt.from - blocks), to: doubt.from - 1 };
  }
  return { action: 'property' };
}

type Row = {
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly rule: string;
  readonly from_block: string;
  readonly to_block: string;
  readonly detail: string;
  readonly changed: boolean;
  readonly restarted: boolean;
  readonly first_block: string;
  readonly silent: boolean;
};

/**
 * Settles the doubts of a chain whose blocks were all read. Drops or widens a doubt, starts all sweeps of its contract over, or ends the
 * sweep that found it.
 */
export async function settleReadDoubts(tx: Transaction, chainId: number): Promise<void> {
  const { rows } = await sql<Row>`
    select address, kind, rule, from_block, to_block, detail, facts_changed > 0 as changed, first_block,
      swept_to is null or started_at > doubt.created_at as restarted,
      exists (
        select from indexer.sweeps supply where supply.chain_id = sweep.chain_id and supply.address = sweep.address
          and supply.kind = sweep.kind and supply.rule = ${SUPPLY_RULE} and supply.property) as silent
    from indexer.doubts doubt join indexer.sweeps sweep using (chain_id, address, kind, rule)
    where chain_id = ${chainId} and doubt.status = 'read' and not sweep.property
    order by to_block limit ${SETTLED_MAX}
    for update of doubt
  `.execute(tx);
  const ended = new Set<string>();
  for (const row of rows) {
    const key = `${row.kind} ${row.address} ${row.rule}`;
    if (ended.has(key)) continue;
    const settlement = settleDoubt(doubtOf(row));
    if (settlement.action === 'property' || settlement.action === 'restart') ended.add(key);
    await apply(tx, chainId, row, settlement);
  }
}

function doubtOf(row: Row): ReadDoubt {
  const rule = sweepRules.find(({ kind, rule: { name } }) => kind === row.kind && name === row.rule)?.rule;
  return {
    from: Number(row.from_block),
    to: Number(row.to_block),
    hasChanged: row.changed,
    hasRestarted: row.restarted,
    firstBlock: Number(row.first_block),
    mayBeOlder: rule?.mayBeOlder ?? false,
    mintsInSilence: row.silent,
  };
}

async function apply(tx: Transaction, chainId: number, row: Row, settlement: Settlement): Promise<void> {
  const isOfRule = sql`chain_id = ${chainId} and address = ${row.address} and kind = ${row.kind} and rule = ${row.rule}`;
  const isThis = sql`${isOfRule} and from_block = ${row.from_block} and to_block = ${row.to_block}`;
  if (settlement.action === 'property') {
    await sql`update indexer.doubts set status = 'property' where ${isThis}`.execute(tx);
    await sql`delete from indexer.doubts where ${isOfRule} and status <> 'property'`.execute(tx);
    await sql`
      update indexer.sweeps set property = true, swept_to = greatest(swept_to, ${row.to_block}::bigint) where ${isOfRule}
    `.execute(tx);
    return;
  }
  await sql`delete from indexer.doubts where ${isThis}`.execute(tx);
  if (settlement.action === 'restart') {
    const contract = { address: row.address, kind: row.kind };
    await restartSweeps(tx, chainId, { fromBlock: -1, contract, forgetsProperties: false });
  }
  if (settlement.action === 'widen') {
    await sql`
      insert into indexer.doubts (chain_id, address, kind, rule, from_block, to_block, detail)
      values (${chainId}, ${row.address}, ${row.kind}, ${row.rule}, ${settlement.from}, ${settlement.to}, ${row.detail})
      on conflict do nothing
    `.execute(tx);
  }
}
