import { sql } from 'kysely';
import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import type { Decimal, Origin } from '../../facts/origin.ts';
import { ORIGIN_DIGEST, originColumns, originText } from '../../facts/origin-columns.ts';
import type { Hex } from '../../kernel/chain.ts';

/** An addition or removal of liquidity, or a swap. The amounts of a swap are positive if they flow into the pool. */
export type PoolEvent = Origin & {
  readonly type: 'add_liquidity' | 'remove_liquidity' | 'swap';
  readonly amount0: Decimal;
  readonly amount1: Decimal;
  readonly sender: Hex;
  readonly recipient: Hex | null;
};

/** The table of swaps, additions of liquidity and removals of liquidity, for pools of all protocols. */
export const poolEvents: FactTable<PoolEvent> = {
  schema: 'public',
  name: 'pool_events',
  chainIdType: 'text',
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
  statistics: ['chain_id', 'block_number', 'log_index', 'liquidity_pool_id'],
  readersIndexes: [
    'pool_events_artist_token_idx',
    'pool_events_block_timestamp_idx',
    'pool_events_event_type_idx',
    'pool_events_pool_id_idx',
    'pool_events_tx_idx',
  ],
  digest: {
    rows: 'pool_events where block_hash is not null',
    columns: [...ORIGIN_DIGEST, 'pool_address', 'event_type', 'amount0', 'amount1', 'sender', 'recipient'],
  },
  former: {
    isOfAny: (addresses) => sql`lower(pool_address) = any(${addresses}::text[])`,
    isOfContract: sql`liquidity_pool_id = contract.platform_id`,
  },
  rowsOf: ({ platformId }) => sql`liquidity_pool_id = ${platformId}`,
  *lines(facts) {
    const origin = originText();
    for (const fact of facts) {
      const { platformId, artistTokenId, address } = fact.contract;
      const { type, amount0, amount1, sender, recipient } = fact;
      const pool = `${platformId}\t${artistTokenId ?? NULL_TEXT}\t${address}`;
      yield `${origin(fact)}\t${pool}\t${type}\t${amount0}\t${amount1}\t${sender}\t${recipient ?? NULL_TEXT}`;
    }
  },
};
