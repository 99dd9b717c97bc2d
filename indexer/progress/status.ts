import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { BlockRef, Hex } from '../kernel/chain.ts';
import { blocksBetween, chainCompleteTo, coverageGaps, type Gap } from './contract-coverage.ts';
import { countDividendAnomalies } from './dividend-anomalies.ts';
import { type DoubtStatus, doubtStatus } from './doubts.ts';
import { hasLeader } from './leader.ts';
import { type FailedProof, failedProofs, proofProgress } from './proof.ts';
import { countRepairs } from './repairs.ts';
import { type StageStatus, stageStatus } from './stage-rows.ts';
import { type VerificationStatus, verificationStatus } from './verifications.ts';

/** The state of one chain, as `indexer status` shows it. */
export type ChainStatus = {
  readonly chainId: number;
  /** `halted` until an operator unwinds the chain; otherwise whether a process follows it now. */
  readonly status: 'following' | 'not followed' | 'halted';
  /** Why the chain is halted. */
  readonly reason: string | null;
  /** The newest committed block. Null before the first commit. */
  readonly head: BlockRef | null;
  /** The timestamp of the head. Null if the head has no checkpoint. */
  readonly headTimestamp: Date | null;
  readonly finalized: number | null;
  /** The number of contracts by status. `complete` counts the active contracts without gaps up to the head. */
  readonly contracts: {
    readonly active: number;
    readonly complete: number;
    readonly quarantined: number;
    readonly removed: number;
  };
  readonly gaps: readonly Gap[];
  /** The block up to which no contract has a gap. Null before the first commit. */
  readonly completeTo: number | null;
  /** The block up to which the facts of every contract are complete and were compared with the headers. Null before the first commit. */
  readonly provedTo: number | null;
  /** Blocks that could not be proved, lowest first. */
  readonly failedProofs: readonly FailedProof[];
  /** The number of repairs of facts. */
  readonly repairs: number;
  /** The number of logs that could not be decoded and ranges that could not be filled. */
  readonly deadLetters: number;
  /** The ranges that could not be filled, lowest first, at most `DEAD_RANGES_MAX`. */
  readonly deadRanges: readonly { readonly from: number; readonly to: number; readonly reason: string }[];
  readonly reorgs: number;
  /** The number of reorgs by depth in blocks: `1`, `2`, `3 to 10`, `11 to 64`, `65 to 1024`, `over 1024`. Omits depths without reorgs. */
  readonly reorgsByDepth: Readonly<Record<string, number>>;
  readonly stages: readonly StageStatus[];
  /** The contradictions between facts, at most `DOUBTS_MAX`. */
  readonly contradictions: readonly DoubtStatus[];
  /** The number of contradictions between dividends, such as claims beyond what was earned (`indexer.dividend_anomalies`). */
  readonly dividendAnomalies: number;
  /** The newest scheduled verification. Null before the first one ended. */
  readonly verification: VerificationStatus | null;
  /** The time of the last recorded change of the chain, normally a move of the head. */
  readonly updatedAt: Date | null;
};

const DEAD_RANGES_MAX = 100;

/** Reads the state of every chain, including chains without a committed block. */
export async function chainStatus(db: Kysely<DB>): Promise<readonly ChainStatus[]> {
  const { rows } = await sql<{
    chain_id: string;
    status: ChainStatus['status'];
    status_reason: string | null;
    head_number: string | null;
    head_hash: Hex | null;
    finalized_number: string | null;
    active: string;
    quarantined: string;
    removed: string;
    dead_letters: string;
    dead_ranges: { from: number; to: number; reason: string }[];
    reorgs_by_depth: Record<string, number>;
    head_timestamp: Date | null;
    updated_at: Date | null;
  }>`
    with known as (select chain_id from indexer.chains union select chain_id from indexer.contracts)
    select chain_id, chain.status_reason,
      case when chain.status = 'halted' then 'halted' when ${hasLeader(sql.ref('known.chain_id'))} then 'following'
        else 'not followed' end as status,
      chain.head_number, chain.head_hash, chain.finalized_number, chain.updated_at,
      count(contract.chain_id) filter (where contract.status = 'active') as active,
      count(contract.chain_id) filter (where contract.status = 'quarantined') as quarantined,
      count(contract.chain_id) filter (where contract.status = 'removed') as removed,
      (select count(*) from indexer.dead_letters letter where letter.chain_id = known.chain_id) as dead_letters,
      (select coalesce(json_agg(json_build_object('from', range_from, 'to', range_to, 'reason', letter.reason) order by range_from), '[]')
        from (select range_from, range_to, reason from indexer.dead_letters
          where kind = 'job' and chain_id = known.chain_id order by range_from limit ${DEAD_RANGES_MAX}) letter) as dead_ranges,
      (select timestamp from indexer.block_checkpoints checkpoint
        where checkpoint.chain_id = known.chain_id and checkpoint.number = chain.head_number) as head_timestamp,
      (select coalesce(json_object_agg(depths, reorgs), '{}') from (
        select case when depth <= 2 then depth::text when depth <= 10 then '3 to 10' when depth <= 64 then '11 to 64'
            when depth <= 1024 then '65 to 1024' else 'over 1024' end as depths,
          count(*) as reorgs
        from indexer.reorgs reorg where reorg.chain_id = known.chain_id and reorg.reason = 'reorg' group by 1) counted) as reorgs_by_depth
    from known
    left join indexer.chains chain using (chain_id)
    left join indexer.contracts contract using (chain_id)
    group by known.chain_id, chain.chain_id
    order by chain_id
  `.execute(db);
  const stages = await stageStatus(db);
  const repairs = await countRepairs(db);
  const doubts = await doubtStatus(db);
  const anomalies = await countDividendAnomalies(db);
  const verifications = await verificationStatus(db);
  return Promise.all(
    rows.map(async (row) => {
      const head =
        row.head_number === null || row.head_hash === null
          ? null
          : { number: Number(row.head_number), hash: row.head_hash };
      const gaps = head === null ? [] : await coverageGaps(db, Number(row.chain_id), head.number);
      const active = Number(row.active);
      const chainId = Number(row.chain_id);
      const completeTo = head === null ? null : await chainCompleteTo(db, chainId, head.number);
      const provedTo = completeTo === null ? null : await provedUpTo(db, chainId, completeTo);
      return {
        chainId,
        status: row.status,
        reason: row.status_reason,
        head,
        headTimestamp: row.head_timestamp,
        finalized: row.finalized_number === null ? null : Number(row.finalized_number),
        contracts: {
          active,
          complete: head === null ? 0 : active - gaps.length,
          quarantined: Number(row.quarantined),
          removed: Number(row.removed),
        },
        gaps,
        completeTo,
        provedTo,
        failedProofs: await failedProofs(db, chainId),
        repairs: repairs.get(chainId) ?? 0,
        deadLetters: Number(row.dead_letters),
        deadRanges: row.dead_ranges,
        reorgs: Object.values(row.reorgs_by_depth).reduce((sum, reorgs) => sum + reorgs, 0),
        reorgsByDepth: row.reorgs_by_depth,
        stages: stages.get(Number(row.chain_id)) ?? [],
        contradictions: doubts.get(Number(row.chain_id)) ?? [],
        dividendAnomalies: anomalies.get(chainId) ?? 0,
        verification: verifications.get(chainId) ?? null,
        updatedAt: row.updated_at,
      };
    }),
  );
}

/**
 * Returns the highest block, at most `completeTo`, up to which the covered blocks of every contract are proved. Does not look beyond the
 * first block above the finalized one that is not verified: up to the head there may be a hundred gaps, for each of thousands of contracts.
 */
async function provedUpTo(db: Kysely<DB>, chainId: number, completeTo: number): Promise<number> {
  const { rows } = await sql<{ gap: string | null }>`
    select lower(${blocksBetween(sql`coalesce(finalized_number, -1) + 1`, sql`${completeTo}::bigint`)} - verified) as gap
    from indexer.chains where chain_id = ${chainId}
  `.execute(db);
  const to = Math.min(completeTo, Number(rows[0]?.gap ?? completeTo));
  const { provedTo } = await proofProgress(db, { chainId, from: 0, to, contracts: null });
  return provedTo;
}
