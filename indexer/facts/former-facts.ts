import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { Hex } from '../kernel/chain.ts';

/** A stretch of blocks and the contracts whose former facts lie in the way. */
export type FormerFacts = {
  readonly chainId: number;
  readonly from: number;
  readonly to: number;
  readonly contracts: readonly { readonly address: Hex; readonly platformId: string }[];
};

/** What the platform attached to a former fact, by the keys that the chain gave it. */
export type FormerLinks = readonly {
  readonly tx_hash: string;
  readonly log_index: string;
  readonly revenue_event_id: string;
}[];

/**
 * Takes away the facts that a former indexer left in a stretch which verified facts are about to cover: they have no block hash,
 * so that nobody could unwind or prove them. Gives back what the platform had attached to them.
 */
export async function removeFormerFacts(
  tx: Transaction,
  { chainId, from, to, contracts }: FormerFacts,
): Promise<FormerLinks> {
  const stretch = sql`chain_id = ${String(chainId)} and block_number between ${from}::numeric and ${to}::numeric and block_hash is null`;
  const addresses = contracts.map(({ address }) => address);
  const ids = contracts.map(({ platformId }) => platformId);
  await sql`delete from nft_transfers where ${stretch} and lower(contract_address) = any(${addresses}::text[])`.execute(
    tx,
  );
  await sql`delete from pool_events where ${stretch} and lower(pool_address) = any(${addresses}::text[])`.execute(tx);
  await sql`delete from dividend_claims where ${stretch} and dividend_contract_id = any(${ids}::uuid[])`.execute(tx);
  const { rows } = await sql<FormerLinks[number]>`
    with gone as (
      delete from dividend_events where ${stretch} and dividend_contract_id = any(${ids}::uuid[])
      returning lower(tx_hash) as tx_hash, log_index, revenue_event_id
    )
    select tx_hash, log_index, revenue_event_id from gone where revenue_event_id is not null
  `.execute(tx);
  return rows;
}

/** Attaches to the verified facts what the platform had attached to the former ones. */
export async function restoreLinks(tx: Transaction, chainId: number, links: FormerLinks): Promise<void> {
  if (links.length === 0) return;
  await sql`
    update dividend_events event set revenue_event_id = link.revenue_event_id
    from unnest(${links.map((l) => l.tx_hash)}::text[], ${links.map((l) => l.log_index)}::bigint[],
                ${links.map((l) => l.revenue_event_id)}::uuid[]) as link (tx_hash, log_index, revenue_event_id)
    where event.chain_id = ${String(chainId)} and event.tx_hash = link.tx_hash and event.log_index = link.log_index
      and event.block_hash is not null
  `.execute(tx);
}
