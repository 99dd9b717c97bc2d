import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { originColumns, originText } from '../../facts/origin-columns.ts';

const NAME = 'dividend_events';

/** Deposits, distributions and claims of a dividend contract. */
export const dividendEvents: FactTable = {
  list: 'dividendEvents',
  schema: 'public',
  name: NAME,
  chainIdType: 'text',
  addressColumn: 'contract_address',
  positionColumn: 'position',
  kind: 'dividend',
  key: ['chain_id', 'block_number', 'log_index'],
  columns: {
    ...originColumns('text'),
    master_id: 'uuid',
    dividend_contract_id: 'uuid',
    contract_address: 'text',
    event_type: 'dividend_event_type',
    total_amount: 'numeric',
    currency: 'text',
    claimant_wallet: 'text',
    claimant_token_id: 'numeric',
    per_token_amount: 'numeric',
  },
  *lines({ dividendEvents: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { masterId, platformId, address } = fact.contract;
      const contract = `${masterId ?? NULL_TEXT}\t${platformId}\t${address}`;
      const claim = `${fact.claimant ?? NULL_TEXT}\t${fact.claimedTokenId ?? NULL_TEXT}`;
      const amount = `${fact.type}\t${fact.amount}\t${fact.currency}`;
      yield `${origin(fact)}\t${contract}\t${amount}\t${claim}\t${fact.perTokenAmount ?? NULL_TEXT}`;
    }
  },
};
