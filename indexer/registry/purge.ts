import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';
import { resetUnprepared } from './prepare.ts';

export type PurgedContract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly platformId: string;
};

type Statement = RawBuilder<unknown>;

/**
 * Deletes a contract's facts and state and resets what is derived on its platform row, which itself stays: afterwards the
 * database is what it would be had no log of the contract been seen. The chain must be locked.
 *
 * @returns how many rows were deleted.
 */
export async function purgeContract(tx: Transaction, contract: PurgedContract): Promise<number> {
  let deleted = 0n;
  for (const statement of deletions(contract)) deleted += (await statement.execute(tx)).numAffectedRows ?? 0n;
  await sql`
    update indexer.contracts set covered = '{}', metadata_read_at = null, prepared_at = null
    where chain_id = ${contract.chainId} and address = ${contract.address} and kind = ${contract.kind}
  `.execute(tx);
  await resetUnprepared(tx, contract.chainId);
  for (const statement of bookkeeping(contract)) await statement.execute(tx);
  return Number(deleted);
}

/** In the order that the foreign keys ask for. */
function deletions({ chainId, address, kind, platformId }: PurgedContract): readonly Statement[] {
  const chain = String(chainId);
  const machinery = [
    sql`delete from indexer.contract_events where chain_id = ${chainId} and address = ${address} and kind = ${kind}`,
    sql`
      delete from indexer.dead_letters where chain_id = ${chainId} and address = ${address} and not exists (
        select from indexer.contracts where chain_id = ${chainId} and address = ${address} and status <> 'removed')`,
  ];
  const own: Record<ContractKind, readonly Statement[]> = {
    master: [
      sql`
        update dividend_claims set master_nft_id = null
        where master_nft_id in (select id from master_nfts where master_contract_id = ${platformId})`,
      sql`delete from nft_transfers where chain_id = ${chain} and contract_address = ${address}`,
      sql`delete from nft_ownership_snapshots where chain_id = ${chain} and contract_address = ${address}`,
      sql`delete from master_nfts where master_contract_id = ${platformId}`,
    ],
    dividend: [
      sql`delete from dividend_claims where dividend_contract_id = ${platformId}`,
      sql`delete from dividend_events where dividend_contract_id = ${platformId}`,
      sql`delete from wallet_dividend_balances where dividend_contract_id = ${platformId}`,
    ],
    artist_token: [
      sql`delete from token_transfers where artist_token_id = ${platformId}`,
      sql`delete from token_holders where artist_token_id = ${platformId}`,
    ],
    pool: [
      sql`delete from pool_events where liquidity_pool_id = ${platformId}`,
      sql`delete from pool_positions where liquidity_pool_id = ${platformId}`,
    ],
  };
  return [...own[kind], ...machinery];
}

/** What a reset of state leaves alone: bookkeeping, and the sum over a master's contracts. */
function bookkeeping({ kind, platformId }: PurgedContract): readonly Statement[] {
  const table = {
    master: 'master_contracts',
    dividend: 'dividend_contracts',
    artist_token: 'artist_tokens',
    pool: 'liquidity_pools',
  }[kind];
  const fresh = sql`
    update ${sql.table(table)} set last_indexed_block = null, last_indexed_at = null, updated_at = now() where id = ${platformId}`;
  const ipos = sql`
    update master_ipos ipo set minted_supply = minted.supply
    from (
      select master_id, sum(minted_supply) as supply from master_contracts
      where master_id = (select master_id from master_contracts where id = ${platformId}) group by master_id
    ) minted
    where ipo.master_id = minted.master_id`;
  return kind === 'master' ? [fresh, ipos] : [fresh];
}
