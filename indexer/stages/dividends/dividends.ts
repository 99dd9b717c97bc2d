import { sql } from 'kysely';
import type { Transaction } from '../../db/transaction.ts';
import type { BlockSpan } from '../served-masters.ts';
import type { Advance, Stage } from '../stage.ts';
import { addBalances, unwindBalances, updateTokensHeld } from './balances.ts';
import { addHoldings, settleHoldings, unwindHoldings } from './holdings.ts';
import { addSums, countTokens, unwindSums } from './sums.ts';
import { sumTokenPayments, unwindTokenPayments } from './token-payments.ts';

/**
 * Counts dividends per token, and derives what each wallet earned, claimed and may claim (`wallet_dividend_balances`), and what was
 * paid for each token (`master_nfts.total_dividends_received`). docs/dividends.md describes the rules.
 *
 * Runs after the stage `claim-links`, which finds out for which token each claim was paid. `indexer.dividend_progress` holds the last block
 * that these rows include. So a repeated call of `advance` changes nothing, although `advance` adds to amounts.
 */
export const dividends: Stage = { name: 'dividends', advance, unwind };

async function advance(tx: Transaction, { chainId, to }: Advance): Promise<number> {
  const reached = await readProgress(tx, chainId);
  if (reached !== undefined && reached >= to.number) return 0;
  if (reached === undefined) await deleteFormerRows(tx, chainId);
  const span = { chainId, from: reached ?? -1, to: to.number };
  await writeProgress(tx, span);
  await settleHoldings(tx, chainId, span.from);
  let rows = await addSums(tx, span);
  if (rows > 0) await countTokens(tx, span);
  // Update the balances before the holdings, because the balances are computed from the holdings as of the block before the span.
  rows += await addBalances(tx, span);
  rows += await addHoldings(tx, span);
  rows += await updateTokensHeld(tx, span);
  rows += await sumTokenPayments(tx, span);
  return rows;
}

async function unwind(tx: Transaction, chainId: number, to: number): Promise<void> {
  const reached = await readProgress(tx, chainId);
  if (reached === undefined || reached <= to) return;
  // Unwind the sums first, because the balances are computed again from the sums that remain.
  await unwindSums(tx, chainId, to);
  await unwindBalances(tx, chainId, to);
  await unwindHoldings(tx, chainId, to);
  await unwindTokenPayments(tx, chainId, to);
  await writeProgress(tx, { chainId, to });
}

async function readProgress(tx: Transaction, chainId: number): Promise<number | undefined> {
  const row = await tx
    .selectFrom('indexer.dividend_progress')
    .select('block')
    .where('chain_id', '=', String(chainId))
    .executeTakeFirst();
  return row && Number(row.block);
}

async function writeProgress(tx: Transaction, { chainId, to }: Pick<BlockSpan, 'chainId' | 'to'>): Promise<void> {
  await sql`
    insert into indexer.dividend_progress (chain_id, block) values (${chainId}, ${to})
    on conflict (chain_id) do update set block = excluded.block
  `.execute(tx);
}

/** Before the stage first runs, deletes the balances and resets the totals that the platform's former indexer wrote. */
async function deleteFormerRows(tx: Transaction, chainId: number): Promise<void> {
  const chain = String(chainId);
  await tx.deleteFrom('wallet_dividend_balances').where('chain_id', '=', chain).execute();
  await sql`
    update master_nfts set total_dividends_received = 0, last_dividend_claimed_at = null
    where chain_id = ${chain} and (total_dividends_received <> 0 or last_dividend_claimed_at is not null)
  `.execute(tx);
}
