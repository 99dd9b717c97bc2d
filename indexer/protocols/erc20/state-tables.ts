import { typedStatement } from '../../db/step.ts';
import type { StateTable } from '../../facts/fact-table.ts';
import { expectedHolders, expectedToken } from './expected-state.ts';

/** The balance of each wallet in each artist token. */
export const tokenHolders: StateTable = {
  schema: 'public',
  name: 'token_holders',
  kind: 'artist_token',
  statistics: ['artist_token_id', 'wallet_address'],
  readersIndexes: ['token_holders_balance_idx', 'token_holders_wallet_idx'],
  digest: {
    rows: `(
      select holder.*, token.contract_address
      from token_holders holder join artist_tokens token on token.id = holder.artist_token_id
    ) holder where first_position is not null`,
    columns: [
      'chain_id',
      'contract_address',
      'wallet_address',
      'balance',
      'first_position',
      'first_acquired_at',
      'first_acquired_tx_hash',
    ],
  },
  expected: expectedHolders,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db
          .updateTable('token_holders')
          .set({
            balance: 0,
            first_position: null,
            first_acquired_position: null,
            first_acquired_at: null,
            first_acquired_tx_hash: null,
          })
          .where('artist_token_id', 'in', contracts),
      ),
    },
  ],
  deleteRows: ({ platformId }) => [
    typedStatement((db) => db.deleteFrom('token_holders').where('artist_token_id', '=', platformId)),
  ],
};

/** The platform's rows of artist tokens, with the supply and the number of holders. */
export const artistTokens: StateTable = {
  schema: 'public',
  name: 'artist_tokens',
  kind: 'artist_token',
  isPlatformRow: true,
  lockOrder: 'id',
  statistics: [],
  readersIndexes: [],
  digest: {
    rows: 'artist_tokens',
    columns: ['chain_id', 'contract_address', 'total_supply', 'coalesce(holders_count, 0)'],
  },
  expected: expectedToken,
  reset: (contracts) => [
    {
      statement: typedStatement((db) =>
        db.updateTable('artist_tokens').set({ total_supply: 0, holders_count: 0 }).where('id', 'in', contracts),
      ),
    },
  ],
};
