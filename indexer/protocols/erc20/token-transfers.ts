import { sql } from 'kysely';
import type { FactTable } from '../../facts/fact-table.ts';
import type { Decimal, Origin } from '../../facts/origin.ts';
import { ORIGIN_DIGEST, originColumns, originText } from '../../facts/origin-columns.ts';
import { type Hex, ZERO_ADDRESS } from '../../kernel/chain.ts';

/** A transfer of an artist token (EIP-20 `Transfer`). */
export type TokenTransfer = Origin & { readonly from: Hex; readonly to: Hex; readonly value: Decimal };

/** Transfers of artist tokens. */
export const tokenTransfers: FactTable<TokenTransfer> = {
  schema: 'public',
  name: 'token_transfers',
  chainIdType: 'text',
  kind: 'artist_token',
  key: ['chain_id', 'block_number', 'log_index'],
  columns: {
    ...originColumns('text'),
    artist_token_id: 'uuid',
    contract_address: 'text',
    from_wallet: 'text',
    to_wallet: 'text',
    value: 'numeric',
  },
  foldColumns: { addressColumn: 'contract_address' },
  statistics: ['chain_id', 'block_number', 'log_index', 'artist_token_id'],
  readersIndexes: [
    'token_transfers_artist_token_id_idx',
    'token_transfers_from_wallet_idx',
    'token_transfers_to_wallet_idx',
  ],
  digest: {
    rows: 'token_transfers',
    columns: [...ORIGIN_DIGEST, 'contract_address', 'from_wallet', 'to_wallet', 'value'],
  },
  orphans: { idColumn: 'artist_token_id' },
  rowsOf: ({ platformId }) => sql`artist_token_id = ${platformId}`,
  tagOf: ({ from, to }) => (from === ZERO_ADDRESS ? 'mint' : to === ZERO_ADDRESS ? 'burn' : 'transfer'),
  *lines(facts) {
    const origin = originText();
    for (const fact of facts) {
      const { platformId, address } = fact.contract;
      yield `${origin(fact)}\t${platformId}\t${address}\t${fact.from}\t${fact.to}\t${fact.value}`;
    }
  },
};
