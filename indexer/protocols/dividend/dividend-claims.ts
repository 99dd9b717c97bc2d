import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { originColumns, originText } from '../../facts/origin-columns.ts';

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
  columns: {
    ...originColumns('text'),
    wallet_address: 'text',
    master_id: 'uuid',
    dividend_contract_id: 'uuid',
    token_id: 'numeric',
    amount_claimed: 'numeric',
    currency: 'text',
    gas_used: 'numeric',
    gas_price_wei: 'numeric',
  },
  *lines({ dividendClaims: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { masterId, platformId } = fact.contract;
      const claim = `${fact.holder}\t${masterId ?? NULL_TEXT}\t${platformId}\t${fact.tokenId}\t${fact.amount}`;
      yield `${origin(fact)}\t${claim}\t${fact.currency}\t${fact.gasUsed}\t${fact.gasPrice ?? NULL_TEXT}`;
    }
  },
};
