import { type RawBuilder, sql } from 'kysely';
import type { ContractKind, Hex } from '../kernel/chain.ts';

export type PurgedContract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly platformId: string;
};

type Statement = RawBuilder<unknown>;

/** What takes a contract's facts and state away, in the order that the foreign keys ask for; needs the chain's lock. */
export function deletions({ chainId, address, kind, platformId }: PurgedContract): readonly Statement[] {
  const chain = String(chainId);
  const machinery = [
    sql`delete from indexer.contract_events where chain_id = ${chainId} and address = ${address} and kind = ${kind}`,
    sql`delete from indexer.dead_letters where chain_id = ${chainId} and address = ${address} and contract_kind = ${kind}`,
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
