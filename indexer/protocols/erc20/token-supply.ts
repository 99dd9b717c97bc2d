import { type RawBuilder, sql } from 'kysely';
import { type FactRange, type Fold, isInRange } from '../../facts/fold.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';
import { artistTokens } from './state-tables.ts';
import { tokenTransfers } from './token-transfers.ts';

/** Derives the supply of an artist token (EIP-20, `Transfer`): transfers from the zero address (mints) minus transfers to it (burns). */
export const tokenSupply: Fold = {
  name: 'token-supply',
  reads: { table: tokenTransfers, tags: ['mint', 'burn'] },
  writes: [artistTokens],
  apply: (range) => [{ statement: add(range, sql`+`) }],
  unwind: (range) => [{ statement: add(range, sql`-`) }],
};

function add(range: FactRange, sign: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    with change as (
      select artist_token_id, sum(case when from_wallet = ${ZERO_ADDRESS} then value else -value end) as supply
      from token_transfers
      where ${isInRange(tokenTransfers, range, 'artist_token')} and (from_wallet = ${ZERO_ADDRESS}) <> (to_wallet = ${ZERO_ADDRESS})
      group by artist_token_id
    ),
    locked as (
      select id, change.supply from artist_tokens join change on change.artist_token_id = id
      order by id for no key update of artist_tokens
    )
    update artist_tokens token set total_supply = token.total_supply ${sign} locked.supply
    from locked where token.id = locked.id
  `;
}
