import { sql } from 'kysely';
import { isInRange } from '../../facts/fold.ts';
import { balanceFold } from '../shared/balance-fold.ts';
import { artistTokens, tokenHolders } from './state-tables.ts';
import { tokenTransfers } from './token-transfers.ts';

/** Derives the balance of each wallet in each artist token, the time when the wallet first received tokens, and the number of holders. */
export const tokenBalances = balanceFold({
  name: 'token-balances',
  reads: { table: tokenTransfers },
  table: tokenHolders,
  totals: artistTokens,
  owner: 'artist_token_id',
  addressColumn: 'contract_address',
  balance: 'balance',
  entry: { position: 'first_acquired_position', time: 'first_acquired_at', transaction: 'first_acquired_tx_hash' },
  key: ['artist_token_id', 'wallet_address'],
  movements: (range) => sql`
    select artist_token_id as owner, from_wallet as sender, to_wallet as receiver, value, position
    from token_transfers where ${isInRange(tokenTransfers, range, 'artist_token')}`,
  addTotals: (_, sign) => sql`
    , counted as (
      select owner, sum((after > 0)::int - (before > 0)::int) as holders from touched group by owner
    ),
    locked as (
      select id, counted.holders from artist_tokens join counted on counted.owner = id
      order by id for no key update of artist_tokens
    )
    update artist_tokens token set
      holders_count = coalesce(token.holders_count, 0) + ${sql.lit(sign)} * locked.holders
    from locked where token.id = locked.id`,
});
