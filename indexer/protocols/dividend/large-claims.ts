import { copyValues } from '../../facts/copy-text.ts';
import type { EncodedBatch } from '../../facts/encoded-batch.ts';
import { type Hex, ZERO_ADDRESS } from '../../kernel/chain.ts';
import { dividendClaims } from './dividend-claims.ts';

/** A claim that was paid in the native coin. */
type NativeClaim = {
  readonly holder: Hex;
  /** In wei. */
  readonly amount: bigint;
  readonly block: number;
  readonly transaction: Hex;
};

const COLUMNS = Object.keys(dividendClaims.columns);

/** Returns the claims of at least `leastWei` of the native coin among the facts of a range, in the order of their logs. */
export function largeClaimsIn({ tables }: EncodedBatch, leastWei: bigint): readonly NativeClaim[] {
  const encoded = tables.find(({ table }) => table.name === dividendClaims.name);
  if (encoded === undefined) return [];
  return copyValues(encoded.text).flatMap((line) => {
    const value = (column: string) => line[COLUMNS.indexOf(column)] ?? '';
    const amount = BigInt(value('amount_claimed'));
    if (value('currency') !== ZERO_ADDRESS || amount < leastWei) return [];
    return {
      holder: value('wallet_address') as Hex,
      amount,
      block: Number(value('block_number')),
      transaction: value('tx_hash') as Hex,
    };
  });
}
