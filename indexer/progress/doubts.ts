import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';

/** A contradiction between the facts of a contract, as `indexer status` shows it. */
export type DoubtStatus = {
  readonly address: Hex;
  readonly kind: ContractKind;
  /** The rule that the facts contradict. */
  readonly rule: string;
  /** The blocks in which a log may be missing, both included. */
  readonly from: number;
  readonly to: number;
  readonly detail: string;
  /**
   * `open`: the blocks are not all read from receipts yet. `read`: they were read, and `settleDoubt` will decide about the contradiction.
   * `property`: the receipts confirm the facts, so the contract breaks the rule by its own behaviour. `unreadable`: no endpoint serves
   * the blocks.
   */
  readonly status: 'open' | 'read' | 'property' | 'unreadable';
  /** Why the blocks cannot be read. Null if they can. */
  readonly reason: string | null;
};

/** The maximum number of contradictions of one chain that are returned. */
const DOUBTS_MAX = 100;

/** Reads the contradictions of every chain, at most `DOUBTS_MAX` for each, lowest blocks first. */
export async function doubtStatus(db: Kysely<DB>): Promise<ReadonlyMap<number, readonly DoubtStatus[]>> {
  const { rows } = await sql<DoubtStatus & { chainId: number }>`
    select chain_id::float8 as "chainId", address, kind, rule, from_block::float8 as from, to_block::float8 as to, detail, status,
      status_reason as reason
    from (
      select *, row_number() over (partition by chain_id order by from_block, address, kind, rule) as place from indexer.doubts
    ) placed
    where place <= ${DOUBTS_MAX} order by chain_id, place
  `.execute(db);
  const byChain = Map.groupBy(rows, ({ chainId }) => chainId);
  return new Map([...byChain].map(([chainId, doubts]) => [chainId, doubts.map(({ chainId: _, ...doubt }) => doubt)]));
}
