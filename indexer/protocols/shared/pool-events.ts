import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import { originColumns, originText } from '../../facts/origin-columns.ts';

const NAME = 'pool_events';

/** Swaps, and liquidity added and removed. */
export const poolEvents: FactTable = {
  list: 'poolEvents',
  schema: 'public',
  name: NAME,
  chainIdType: 'text',
  addressColumn: 'pool_address',
  positionColumn: 'position',
  kind: 'pool',
  key: ['chain_id', 'block_number', 'log_index'],
  columns: {
    ...originColumns('text'),
    liquidity_pool_id: 'uuid',
    artist_token_id: 'uuid',
    pool_address: 'text',
    event_type: 'pool_event_type',
    amount0: 'numeric',
    amount1: 'numeric',
    sender: 'text',
    recipient: 'text',
  },
  *lines({ poolEvents: facts }) {
    const origin = originText(NAME);
    for (const fact of facts) {
      const { platformId, artistTokenId, address } = fact.contract;
      const { type, amount0, amount1, sender, recipient } = fact;
      const pool = `${platformId}\t${artistTokenId ?? NULL_TEXT}\t${address}`;
      yield `${origin(fact)}\t${pool}\t${type}\t${amount0}\t${amount1}\t${sender}\t${recipient ?? NULL_TEXT}`;
    }
  },
};
