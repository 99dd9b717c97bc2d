import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKey } from './contract-coverage.ts';

/** Which sweeps begin anew. */
export type SweepRestart = {
  /** The lowest block whose facts changed. */
  readonly fromBlock: number;
  /** Undefined: every contract of the chain. */
  readonly contract?: ContractKey | undefined;
  /** Whether sweeps that ended, because the contract contradicts the rule by nature, begin anew too. */
  readonly forgetsProperties: boolean;
};

/**
 * Makes the sweeps for contradictions begin anew that have passed a block, because facts at or above it changed. What a sweep remembers
 * is deleted later, in small steps.
 */
export async function restartSweeps(
  tx: Transaction,
  chainId: number,
  { fromBlock, contract, forgetsProperties }: SweepRestart,
): Promise<void> {
  const isOfContract = contract && sql`and address = ${contract.address} and kind = ${contract.kind}`;
  await sql`
    update indexer.sweeps set swept_to = null, property = false
    where chain_id = ${chainId} and swept_to >= ${fromBlock} and (${forgetsProperties} or not property) ${isOfContract ?? sql``}
  `.execute(tx);
}
