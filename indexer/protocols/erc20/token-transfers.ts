import type { FactTable } from '../../facts/fact-table.ts';
import { originColumns, originText } from '../../facts/origin-columns.ts';
import { ZERO_ADDRESS } from '../../kernel/chain.ts';

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
  columns: {
    ...originColumns('text'),
    artist_token_id: 'uuid',
    contract_address: 'text',
    from_wallet: 'text',
    to_wallet: 'text',
    value: 'numeric',
  },
  tagsOf: ({ tokenTransfers }) =>
    new Set(
      tokenTransfers.map(({ from, to }) =>
        from === ZERO_ADDRESS ? 'mint' : to === ZERO_ADDRESS ? 'burn' : 'transfer',
      ),
    ),
  *lines({ tokenTransfers: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { platformId, address } = fact.contract;
      yield `${origin(fact)}\t${platformId}\t${address}\t${fact.from}\t${fact.to}\t${fact.value}`;
    }
  },
};
