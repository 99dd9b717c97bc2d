import { sql } from 'kysely';
import type { Transaction } from '../db/transaction.ts';
import type { ContractKey } from './contract-coverage.ts';

/** Which sweeps start over. A sweep checks, from the first block up, whether the facts of one contract contradict one rule. */
export type SweepRestart = {
  /** The lowest block whose facts changed. */
  readonly fromBlock: number;
  /** The contract whose sweeps start over. If undefined, the sweeps of all contracts of the chain do. */
  readonly contract?: ContractKey | undefined;
  /** Whether to also restart sweeps that ended because receipts confirmed that the contract itself breaks the rule. */
  readonly forgetsProperties: boolean;
};

/**
 * Makes the sweeps that have reached `fromBlock` start over, because facts at or above it changed. The values that these sweeps have stored
 * are deleted later, in small steps.
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
