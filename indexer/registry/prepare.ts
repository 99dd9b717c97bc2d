import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { runSteps } from '../db/step.ts';
import { patientTransaction, type Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { markPrepared } from '../progress/contract-registration.ts';
import { lockChain } from '../progress/locks.ts';
import { deletions } from './contract-rows.ts';

/**
 * Readies newly registered contracts: their state becomes that of no facts (invariant 2), whatever the platform or its former
 * indexer wrote there, and facts of a former indexer, which have no block hash, are noted. Runs before a contract is first
 * followed; history then brings every value back.
 *
 * @returns how many contracts were readied.
 */
export async function prepareContracts(database: Database, chainId: number): Promise<number> {
  const { rows } = await sql<{ one: number }>`
    select 1 as one from indexer.contracts where chain_id = ${chainId} and prepared_at is null limit 1
  `.execute(database.kysely);
  if (rows.length === 0) return 0;
  return patientTransaction(database, async (tx) => {
    await runSteps(tx, [lockChain(chainId, 'exclusive')]);
    await deleteRetired(tx, chainId);
    return resetUnprepared(tx, chainId);
  });
}

/** What was followed at an address that the platform corrected: its rows go before the corrected address is followed, or it again. */
async function deleteRetired(tx: Transaction, chainId: number): Promise<void> {
  const { rows } = await sql<{ address: Hex; kind: ContractKind; platform_id: string }>`
    select address, kind, platform_id from indexer.contracts
    where chain_id = ${chainId} and (status = 'removed' or platform_id = any(retired_ids)) and prepared_at is null
    order by address, kind
  `.execute(tx);
  for (const { address, kind, platform_id: platformId } of rows) {
    for (const statement of deletions({ chainId, address, kind, platformId })) await statement.execute(tx);
  }
}

/** The same within a transaction that holds the chain's lock alone. */
export async function resetUnprepared(tx: Transaction, chainId: number): Promise<number> {
  for (const reset of RESETS) await reset(chainId).execute(tx);
  await deleteTransfersOfRetired(tx, chainId);
  return noteFormerFacts(tx, chainId);
}

const fresh = (chainId: number, kind: string) => sql`
  select platform_id from indexer.contracts where chain_id = ${chainId} and kind = ${kind} and prepared_at is null
`;

/** Sums begin at 0; what is latest, earliest or first gives way to any fact and needs no reset, except where it is told per contract. */
const RESETS: readonly ((chainId: number) => RawBuilder<unknown>)[] = [
  (chainId) => sql`
    update master_contracts set
      contract_total_supply = 0, minted_supply = 0, contract_royalty_bps = null, royalty_position = null,
      first_minter_wallet = null, second_minter_wallet = null, third_minter_wallet = null, third_mint_position = null
    where id in (${fresh(chainId, 'master')})`,
  (chainId) => sql`
    update master_nfts set
      mint_count = 0, last_position = null, first_mint_position = null,
      is_first_minter = false, is_second_minter = false, is_third_minter = false
    where master_contract_id in (${fresh(chainId, 'master')})`,
  (chainId) => sql`
    update dividend_contracts set total_revenue_deposited = 0, total_dividends_distributed = 0
    where id in (${fresh(chainId, 'dividend')})`,
  (chainId) => sql`
    update artist_tokens set total_supply = 0, holders_count = 0 where id in (${fresh(chainId, 'artist_token')})`,
  (chainId) => sql`
    update token_holders set
      balance = 0, first_position = null, first_acquired_position = null, first_acquired_at = null, first_acquired_tx_hash = null
    where artist_token_id in (${fresh(chainId, 'artist_token')})`,
  // Left where the platform deleted a contract's row and announced it again: its history is read anew.
  (chainId) => sql`
    delete from indexer.contract_events fact using indexer.contracts contract
    where contract.chain_id = ${chainId} and contract.prepared_at is null
      and fact.chain_id = contract.chain_id and fact.address = contract.address and fact.kind = contract.kind`,
  (chainId) => sql`
    delete from indexer.dead_letters letter using indexer.contracts contract
    where contract.chain_id = ${chainId} and contract.prepared_at is null
      and letter.chain_id = contract.chain_id and letter.address = contract.address and letter.contract_kind = contract.kind`,
  (chainId) => sql`
    update liquidity_pools set reserve0 = 0, reserve1 = 0, reserve_position = null, lp_total_supply = 0
    where id in (${fresh(chainId, 'pool')})`,
  (chainId) => sql`
    update pool_positions set
      lp_token_balance = 0, first_position = null, entry_position = null, entered_at = null, entry_tx_hash = null
    where liquidity_pool_id in (${fresh(chainId, 'pool')})`,
];

/** No key forbids them: where the platform deleted a token's row they are there still, and are found by its id. */
async function deleteTransfersOfRetired(tx: Transaction, chainId: number): Promise<void> {
  const { rows } = await sql<{ address: Hex; retired_ids: string[] }>`
    select address, retired_ids from indexer.contracts
    where chain_id = ${chainId} and kind = 'artist_token' and prepared_at is null and retired_ids <> '{}'
  `.execute(tx);
  for (const { address, retired_ids } of rows) {
    // A row that the platform moved to another address has its transfers there.
    await sql`
      delete from token_transfers
      where artist_token_id = any(${retired_ids}::uuid[]) and chain_id = ${String(chainId)} and contract_address = ${address}
    `.execute(tx);
  }
}

async function noteFormerFacts(tx: Transaction, chainId: number): Promise<number> {
  return markPrepared(
    tx,
    chainId,
    sql`case kind
      when 'master' then (
        select max(block_number) from nft_transfers where block_hash is null
          and master_id = (select master_id from master_contracts where id = contract.platform_id))
      when 'dividend' then greatest(
        (select max(block_number) from dividend_events where block_hash is null and dividend_contract_id = contract.platform_id),
        (select max(block_number) from dividend_claims where block_hash is null and dividend_contract_id = contract.platform_id))
      when 'pool' then (
        select max(block_number) from pool_events where block_hash is null and liquidity_pool_id = contract.platform_id)
      end`,
  );
}
