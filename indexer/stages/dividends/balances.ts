import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import { isAtPosition } from '../../facts/fold.ts';
import { dividendClaims } from '../../protocols/dividend/dividend-claims.ts';
import { type BlockSpan, servedMasters } from '../served-masters.ts';
import { balanceChanges, claimsIn, holdingsOf, movedIn } from './balance-changes.ts';
import { dividendBalancesAsOf } from './balances-as-of.ts';

/**
 * Adds the changes of dividends in a span of blocks to `wallet_dividend_balances`. `indexer.master_holdings` must still be as of the block
 * before the span. Returns the number of rows written.
 */
export async function addBalances(tx: Transaction, span: BlockSpan): Promise<number> {
  const changes = balanceChanges({ span, moved: movedIn(span), claims: claimsIn(span), holders: holdingsOf(span) });
  const { numAffectedRows } = await sql`
    with ${changes}
    insert into wallet_dividend_balances as held (
      id, wallet_address, master_id, dividend_contract_id, chain_id, currency, total_earned, total_claimed, claimable_amount,
      last_claimed_at, last_claim_tx_hash, tokens_held, changed_block)
    select indexer.derived_id('wallet_dividend_balances:' || contract.chain_id || ':' || contract.contract_address || ':'
        || wallet_address || ':' || currency),
      wallet_address, contract.master_id, contract.id, contract.chain_id, currency, earned, claimed, earned - claimed,
      last.block_timestamp, last.tx_hash, coalesce(owned.tokens, 0), ${span.to}
    from change
    join dividend_contracts contract on contract.id = change.dividend_contract_id
    cross join lateral (
      -- A look-up by the primary key for each wallet. For a join, the planner would expect one wallet, and compute the set again for each.
      select sum(tokens) as tokens from serves join indexer.master_holdings own using (contract_address)
      where serves.dividend_contract_id = contract.id and own.chain_id = ${span.chainId} and own.wallet_address = change.wallet_address
    ) owned
    left join lateral (${claimAt(span.chainId, sql`change.claimed_at`)}) last on true
    where is_row or ((earned <> 0 or claimed <> 0) and exists (
      select from wallet_dividend_balances known where known.wallet_address = change.wallet_address
        and known.dividend_contract_id = change.dividend_contract_id and known.currency = change.currency))
    on conflict (wallet_address, dividend_contract_id, currency) do update set
      total_earned = held.total_earned + excluded.total_earned,
      total_claimed = held.total_claimed + excluded.total_claimed,
      claimable_amount = held.claimable_amount + excluded.claimable_amount,
      last_claimed_at = coalesce(excluded.last_claimed_at, held.last_claimed_at),
      last_claim_tx_hash = coalesce(excluded.last_claim_tx_hash, held.last_claim_tx_hash),
      changed_block = excluded.changed_block, updated_at = now()
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/** Sets `tokens_held` of the wallets whose tokens changed in a span. `indexer.master_holdings` must be as of the span's last block. */
export async function updateTokensHeld(tx: Transaction, { chainId, from, to }: BlockSpan): Promise<number> {
  // This statement uses the indexes master_holdings_changed_idx and wallet_dividends_wallet_contract_currency_idx.
  const { numAffectedRows } = await sql`
    with serves as materialized (${servedMasters(chainId)}),
    moved as (
      select distinct dividend_contract_id, wallet_address
      from indexer.master_holdings join serves using (contract_address)
      where chain_id = ${chainId} and changed_block > ${from}
    ),
    owned as (
      select dividend_contract_id, wallet_address, sum(tokens) as tokens
      from moved join serves using (dividend_contract_id)
      join indexer.master_holdings held using (contract_address, wallet_address)
      where held.chain_id = ${chainId} group by dividend_contract_id, wallet_address
    )
    update wallet_dividend_balances balance set tokens_held = owned.tokens, changed_block = ${to}, updated_at = now()
    from owned
    where balance.wallet_address = owned.wallet_address and balance.dividend_contract_id = owned.dividend_contract_id
      and balance.tokens_held <> owned.tokens
  `.execute(tx);
  return Number(numAffectedRows ?? 0);
}

/**
 * Restores the rows of `wallet_dividend_balances` that changed above a block to their values as of the block. Deletes rows that did not
 * exist as of the block. Other rows stay as they are.
 */
export async function unwindBalances(tx: Transaction, chainId: number, to: number): Promise<void> {
  const changed = await tx
    .selectFrom('wallet_dividend_balances')
    .select(['dividend_contract_id', 'wallet_address', 'currency'])
    .where('chain_id', '=', String(chainId))
    .where('changed_block', '>', String(to))
    .execute();
  if (changed.length === 0) return;
  // Arrays tell the planner the number of keys. For `changed_block > …` it would expect one key, as its statistics lack the newest blocks.
  const keys = sql`
    select * from unnest(
      ${changed.map((row) => row.dividend_contract_id)}::uuid[], ${changed.map((row) => row.wallet_address)}::varchar[],
      ${changed.map((row) => row.currency)}::varchar[]) as key (dividend_contract_id, wallet_address, currency)`;
  await sql`
    with ${dividendBalancesAsOf({ chainId, block: to, keys })}
    merge into wallet_dividend_balances held
    using (
      select key.*, balance.total_earned, total_claimed, claimable_amount, tokens_held, last.block_timestamp, last.tx_hash
      from key left join balance using (dividend_contract_id, wallet_address, currency)
      left join lateral (${claimAt(chainId, sql`balance.claimed_at`)}) last on true
    ) former
    on held.wallet_address = former.wallet_address and held.dividend_contract_id = former.dividend_contract_id
      and held.currency = former.currency
    when matched and former.total_earned is not null then update set
      total_earned = former.total_earned, total_claimed = former.total_claimed, claimable_amount = former.claimable_amount,
      tokens_held = former.tokens_held, last_claimed_at = former.block_timestamp, last_claim_tx_hash = former.tx_hash,
      changed_block = ${to}, updated_at = now()
    when matched then delete
  `.execute(tx);
}

/** Returns a query for the time and transaction of the claim at a position. */
function claimAt(chainId: number, position: RawBuilder<unknown>): RawBuilder<unknown> {
  const range = { chainId, from: 0, to: 0 };
  return sql`
    select block_timestamp, tx_hash from dividend_claims
    where ${isAtPosition(dividendClaims, range, 'dividend', position)} limit 1
  `;
}
