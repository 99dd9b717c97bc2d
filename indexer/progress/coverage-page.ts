import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { type BlockRange, parseMultirange } from '../kernel/ranges.ts';
import { coveredBlocks, missingBlocks } from './contract-coverage.ts';

/** Which contracts to list: those whose address or kind contains `search`, of one chain or of all. */
export type CoverageQuery = {
  readonly chain?: number | undefined;
  readonly search: string;
  /** Whether to list only contracts that are quarantined or have gaps up to the head. */
  readonly incomplete: boolean;
  readonly offset: number;
  readonly limit: number;
};

/** A contract with the blocks that are covered. */
export type CoveredContract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly status: string;
  /** The deployment block. Null while it is unknown. */
  readonly deployedAt: number | null;
  readonly covered: readonly BlockRange[];
  /** How many ranges are covered. `covered` lists the first of them, at most `RANGES_MAX`. */
  readonly ranges: number;
  /** The head of the chain in the database. Null before the first commit. */
  readonly head: number | null;
  /** The number of gaps between the contract's deployment and the head (`gaps`), and the number of blocks in them (`missingBlocks`). */
  readonly gaps: number;
  readonly missingBlocks: number;
};

/** One page of the contracts that match a query, ordered by chain and address, and the number of all contracts that match it. */
export type CoveragePage = { readonly total: number; readonly contracts: readonly CoveredContract[] };

const RANGES_MAX = 200;

/** Lists contracts with their coverage. */
export async function coveragePage(db: Kysely<DB>, query: CoverageQuery): Promise<CoveragePage> {
  const { chain = null, search, incomplete, offset, limit } = query;
  const pattern = `%${search.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
  const missing = missingBlocks(sql`head_number`);
  const { rows } = await sql<{
    total: string;
    chain_id: string;
    address: Hex;
    kind: ContractKind;
    status: string;
    deployed_at_block: string | null;
    head_number: string | null;
    covered: string;
    missing: string;
  }>`
    with found as (
      select chain_id, address, kind, contracts.status, deployed_at_block, head_number,
        ${coveredBlocks(sql`head_number`)} as covered, ${missing} as missing
      from indexer.contracts left join indexer.chains using (chain_id)
      where contracts.status <> 'removed' and (${chain}::bigint is null or chain_id = ${chain})
        and (address like ${pattern} or replace(kind, '_', ' ') like ${pattern})
        and (not ${incomplete} or contracts.status <> 'active' or not isempty(${missing}))
    )
    select (select count(*) from found) as total, chain_id, address, kind, status, deployed_at_block, head_number, covered::text, missing::text
    from found order by chain_id, address, kind offset ${offset} limit ${limit}
  `.execute(db);
  return {
    total: Number(rows[0]?.total ?? 0),
    contracts: rows.map((row) => {
      const [covered, missing] = [parseMultirange(row.covered), parseMultirange(row.missing)];
      return {
        chainId: Number(row.chain_id),
        address: row.address,
        kind: row.kind,
        status: row.status,
        deployedAt: row.deployed_at_block === null ? null : Number(row.deployed_at_block),
        covered: covered.slice(0, RANGES_MAX),
        ranges: covered.length,
        head: row.head_number === null ? null : Number(row.head_number),
        gaps: missing.length,
        missingBlocks: missing.reduce((blocks, { from, to }) => blocks + to - from + 1, 0),
      };
    }),
  };
}
