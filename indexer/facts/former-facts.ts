import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { FactTable } from './fact-table.ts';
import { tableOf } from './facts-sql.ts';

/** A block range and contracts. The facts that the platform's former indexer left for these contracts in the range are to be deleted. */
export type FormerFacts = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly contracts: readonly { readonly address: Hex; readonly platformId: string }[];
};

/** The id of a row of the platform that a deleted fact named (`linked`), with the transaction hash and log index of the fact. */
export type FactLink = {
  readonly table: FactTable;
  readonly tx_hash: string;
  readonly log_index: string;
  readonly linked: string;
};

/**
 * Deletes the facts that a former indexer left in a range, before verified facts of the range are written. Former facts have no block
 * hash, so they cannot be verified or unwound. Returns the links of the deleted facts to rows of the platform.
 */
export async function removeFormerFacts(
  tx: Transaction,
  tables: readonly FactTable[],
  { chainId, from, to, contracts }: FormerFacts,
): Promise<readonly FactLink[]> {
  const addresses = contracts.map(({ address }) => address);
  const ids = contracts.map(({ platformId }) => platformId);
  const links: FactLink[] = [];
  for (const table of tables) {
    if (table.former === undefined) continue;
    const isFormer = sql<boolean>`
      chain_id = ${String(chainId)} and block_number between ${from}::numeric and ${to}::numeric and block_hash is null
      and ${table.former.isOfAny(addresses, ids)}`;
    links.push(...(await deleteFacts(tx, table, isFormer)));
  }
  return links;
}

/** Deletes the facts of a table that meet a condition. Returns the links of the deleted facts to rows of the platform. */
export async function deleteFacts(
  tx: Transaction,
  table: FactTable,
  condition: RawBuilder<boolean>,
): Promise<readonly FactLink[]> {
  const link = table.former?.link;
  const deletion = sql`delete from ${tableOf(table)} where ${condition}`;
  if (link === undefined) {
    await deletion.execute(tx);
    return [];
  }
  const { rows } = await sql<Omit<FactLink, 'table' | 'linked'> & { linked: string | null }>`
    ${deletion} returning lower(tx_hash) as tx_hash, log_index, ${sql.ref(link)} as linked
  `.execute(tx);
  return rows.flatMap(({ linked, ...row }) => (linked === null ? [] : [{ ...row, linked, table }]));
}

/** Writes the links that `deleteFacts` returned into the verified facts that replace the deleted ones. */
export async function restoreLinks(tx: Transaction, chainId: number, links: readonly FactLink[]): Promise<void> {
  for (const [table, ofTable] of Map.groupBy(links, (link) => link.table)) {
    const column = sql.ref(table.former?.link ?? 'id');
    await sql`
      update ${tableOf(table)} fact set ${column} = link.linked
      from unnest(${ofTable.map((l) => l.tx_hash)}::text[], ${ofTable.map((l) => l.log_index)}::bigint[],
                  ${ofTable.map((l) => l.linked)}::uuid[]) as link (tx_hash, log_index, linked)
      where fact.chain_id = ${String(chainId)} and fact.tx_hash = link.tx_hash and fact.log_index = link.log_index
        and fact.block_hash is not null
    `.execute(tx);
  }
}

/**
 * Returns an SQL expression over the row `contract` of `indexer.contracts`: the newest block with a former fact of that contract. The
 * expression is null if there are no former facts.
 */
export function newestFormerBlock(tables: readonly FactTable[]): RawBuilder<string | null> {
  const byKind = Map.groupBy(
    tables.filter(({ former }) => former !== undefined),
    ({ kind }) => kind,
  );
  const cases = [...byKind].map(([kind, ofKind]: [ContractKind | null, FactTable[]]) => {
    const newest = ofKind.map(
      (table) => sql`
        (select max(block_number) from ${tableOf(table)} where block_hash is null and ${table.former?.isOfContract})`,
    );
    return sql`when ${sql.lit(kind)} then greatest(${sql.join(newest)})`;
  });
  return sql`case contract.kind ${sql.join(cases, sql` `)} end`;
}
