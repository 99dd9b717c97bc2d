import { NULL_TEXT } from './copy-text.ts';
import type { FactTable } from './fact-table.ts';
import { ORIGIN_COLUMNS, originText } from './origin-columns.ts';

const NAME = 'dividend_claims';

/** Claims as they were paid. `master_nft_id` stays empty: the event does not say which contract's token it is. */
export const dividendClaims: FactTable = {
  list: 'dividendClaims',
  schema: 'public',
  name: NAME,
  chainIdType: 'text',
  addressColumn: null,
  positionColumn: 'position',
  kind: 'dividend',
  key: ['chain_id', 'block_number', 'log_index'],
  columns: [
    ...ORIGIN_COLUMNS,
    'wallet_address',
    'master_id',
    'dividend_contract_id',
    'token_id',
    'amount_claimed',
    'currency',
    'gas_used',
    'gas_price_wei',
  ],
  *lines({ dividendClaims: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { masterId, platformId } = fact.contract;
      const claim = `${fact.holder}\t${masterId ?? NULL_TEXT}\t${platformId}\t${fact.tokenId}\t${fact.amount}`;
      yield `${origin(fact)}\t${claim}\t${fact.currency}\t${fact.gasUsed}\t${fact.gasPrice ?? NULL_TEXT}`;
    }
  },
};
