import type { FactTable } from './fact-table.ts';
import { ORIGIN_COLUMNS, originText } from './origin-columns.ts';

const NAME = 'token_transfers';

/** Transfers of artist tokens. */
export const tokenTransfers: FactTable = {
  list: 'tokenTransfers',
  schema: 'public',
  name: NAME,
  chainIdType: 'text',
  addressColumn: 'contract_address',
  positionColumn: 'position',
  kind: 'artist_token',
  key: ['chain_id', 'block_number', 'log_index'],
  columns: [...ORIGIN_COLUMNS, 'artist_token_id', 'contract_address', 'from_wallet', 'to_wallet', 'value'],
  *lines({ tokenTransfers: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { platformId, address } = fact.contract;
      yield `${origin(fact)}\t${platformId}\t${address}\t${fact.from}\t${fact.to}\t${fact.value}`;
    }
  },
};
