import { sql } from 'kysely';
import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import type { Decimal, Origin } from '../../facts/origin.ts';
import { ORIGIN_DIGEST, originColumns, originText } from '../../facts/origin-columns.ts';
import type { Hex } from '../../kernel/chain.ts';

/** A deposit, a distribution or a claim. `currency` is the address of an ERC-20 token, or the zero address for the native coin. */
export type DividendEvent = Origin & {
  readonly type: 'deposit' | 'distribution' | 'claim';
  readonly amount: Decimal;
  readonly currency: Hex;
  readonly perTokenAmount: Decimal | null;
  readonly claimant: Hex | null;
  readonly claimedTokenId: Decimal | null;
};

/** The table of deposits, distributions and claims, for all dividend contracts. */
export const dividendEvents: FactTable<DividendEvent> = {
  schema: 'public',
  name: 'dividend_events',
  chainIdType: 'text',
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
  foldColumns: { addressColumn: 'contract_address', tagColumn: 'event_type' },
  statistics: ['chain_id', 'block_number', 'log_index', 'dividend_contract_id'],
  readersIndexes: [
    'dividend_events_block_number_idx',
    'dividend_events_block_timestamp_idx',
    'dividend_events_claimant_wallet_idx',
    'dividend_events_event_type_idx',
    'dividend_events_master_id_idx',
    'dividend_events_tx_log_idx',
  ],
  digest: {
    rows: 'dividend_events where block_hash is not null',
    columns: [
      ...ORIGIN_DIGEST,
      'contract_address',
      'event_type',
      'total_amount',
      'currency',
      'claimant_wallet',
      'claimant_token_id',
      'per_token_amount',
      'total_holders_at_distribution',
    ],
  },
  former: {
    isOfAny: (_, platformIds) => sql`dividend_contract_id = any(${platformIds}::uuid[])`,
    isOfContract: sql`dividend_contract_id = contract.platform_id`,
    link: 'revenue_event_id',
  },
  rowsOf: ({ platformId }) => sql`dividend_contract_id = ${platformId}`,
  tagOf: ({ type }) => type,
  *lines(facts) {
    const origin = originText();
    for (const fact of facts) {
      const { masterId, platformId, address } = fact.contract;
      const contract = `${masterId ?? NULL_TEXT}\t${platformId}\t${address}`;
      const claim = `${fact.claimant ?? NULL_TEXT}\t${fact.claimedTokenId ?? NULL_TEXT}`;
      const amount = `${fact.type}\t${fact.amount}\t${fact.currency}`;
      yield `${origin(fact)}\t${contract}\t${amount}\t${claim}\t${fact.perTokenAmount ?? NULL_TEXT}`;
    }
  },
};
