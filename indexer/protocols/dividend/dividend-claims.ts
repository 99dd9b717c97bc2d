import { sql } from 'kysely';
import { NULL_TEXT } from '../../facts/copy-text.ts';
import type { FactTable } from '../../facts/fact-table.ts';
import type { Decimal, Origin } from '../../facts/origin.ts';
import { ORIGIN_DIGEST, originColumns, originText } from '../../facts/origin-columns.ts';
import type { Hex } from '../../kernel/chain.ts';

/** A paid claim. `gasUsed` and `gasPrice` come from the receipt of its transaction. */
export type DividendClaim = Origin & {
  readonly holder: Hex;
  /** Null if the contract pays for an epoch instead of a token. */
  readonly tokenId: Decimal | null;
  readonly amount: Decimal;
  readonly currency: Hex;
  readonly gasUsed: Decimal;
  readonly gasPrice: Decimal | null;
};

/**
 * The table of paid claims. The event of a claim names a token id at most, and never the master contract of the token. So the stage
 * `claim-links` finds the token and sets `master_nft_id`, the id of the token's row.
 */
export const dividendClaims: FactTable<DividendClaim> = {
  schema: 'public',
  name: 'dividend_claims',
  chainIdType: 'text',
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
  statistics: ['chain_id', 'block_number', 'log_index', 'dividend_contract_id', 'token_id'],
  readersIndexes: [
    'dividend_claims_block_timestamp_idx',
    'dividend_claims_master_id_idx',
    'dividend_claims_tx_hash_idx',
    'dividend_claims_wallet_idx',
  ],
  digest: {
    rows: `(
      select claim.*, contract.contract_address, claim.master_nft_id is not null as linked
      from dividend_claims claim join dividend_contracts contract on contract.id = claim.dividend_contract_id
    ) claim where block_hash is not null`,
    columns: [
      ...ORIGIN_DIGEST,
      'contract_address',
      'wallet_address',
      'token_id',
      'amount_claimed',
      'currency',
      'gas_used',
      'gas_price_wei',
      'linked',
    ],
  },
  former: {
    isOfAny: (_, platformIds) => sql`dividend_contract_id = any(${platformIds}::uuid[])`,
    isOfContract: sql`dividend_contract_id = contract.platform_id`,
  },
  rowsOf: ({ platformId }) => sql`dividend_contract_id = ${platformId}`,
  *lines(facts) {
    const origin = originText();
    for (const fact of facts) {
      const { masterId, platformId } = fact.contract;
      const claim = `${fact.holder}\t${masterId ?? NULL_TEXT}\t${platformId}\t${fact.tokenId ?? NULL_TEXT}\t${fact.amount}`;
      yield `${origin(fact)}\t${claim}\t${fact.currency}\t${fact.gasUsed}\t${fact.gasPrice ?? NULL_TEXT}`;
    }
  },
};
