import type { Kysely } from 'kysely';
import type { DB } from '../db/schema.ts';
import { messageOf } from '../kernel/errors.ts';
import type { Logger } from '../observability/log.ts';
import { recordDeployment } from '../progress/contract-registration.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import { loadContracts } from './contracts.ts';
import { findDeployment } from './deployment.ts';
import { refreshMetadata } from './metadata.ts';

/** Dependencies of reading contracts from the chain. */
export type EnrichDeps = {
  readonly db: Kysely<DB>;
  readonly chainId: number;
  readonly reader: ChainReader;
  readonly log: Logger;
};

/**
 * Reads from the chain what the registry lacks: the deployment block of each contract, and its name, symbol or tokens.
 *
 * A contract that cannot be read is logged and skipped, and tried again by the next call.
 *
 * @returns whether a deployment block was found, so that more history can be filled.
 */
export async function enrichContracts(
  { db, chainId, reader, log }: EnrichDeps,
  head: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { contracts } = await loadContracts(db, chainId);
  let found = false;
  for (const contract of contracts) {
    if (signal.aborted) break;
    if (contract.status !== 'active') continue;
    const context = { chain: chainId, kind: contract.kind, address: contract.address };
    try {
      if (contract.deployedAtBlock === null) {
        const deployment = await findDeployment(reader, contract.address, head, signal);
        if (deployment.found === 'nothing') continue;
        if (deployment.found === 'pruned') {
          const { block: fromBlock, oldestState } = deployment;
          const advice = 'add an archive endpoint, or set deployed_at_block';
          log.warn(
            { ...context, oldestState, fromBlock, advice },
            'deployment block unknown because old state is pruned',
          );
        }
        await recordDeployment(db, contract, deployment.block);
        found = true;
      }
      if (!contract.metadataRead) await refreshMetadata(db, reader, contract, head, signal);
    } catch (error) {
      if (signal.aborted) break;
      log.warn({ ...context, reason: messageOf(error), err: error }, 'reading a contract from the chain failed');
    }
  }
  return found;
}
