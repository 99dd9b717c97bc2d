import type { Kysely } from 'kysely';
import type { DB } from '../db/schema.ts';
import { messageOf } from '../kernel/errors.ts';
import type { Logger } from '../observability/log.ts';
import { recordDeployment } from '../progress/contract-registration.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import { loadContracts } from './contracts.ts';
import { findDeployment } from './deployment.ts';
import { refreshMetadata } from './metadata.ts';

export type EnrichDeps = {
  readonly db: Kysely<DB>;
  readonly chainId: number;
  readonly reader: ChainReader;
  readonly log: Logger;
};

/**
 * Finds out what the registry does not know of a chain's contracts: where each begins, and its name, symbol and tokens.
 *
 * One contract that fails does not keep the others waiting.
 *
 * @returns whether a deployment block was found, so that history can be filled.
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
        if (deployment.found === 'pruned') log.warn(context, deployment.warning);
        await recordDeployment(db, contract, deployment.block);
        found = true;
      }
      if (!contract.metadataRead) await refreshMetadata(db, reader, contract, head, signal);
    } catch (error) {
      if (signal.aborted) break;
      log.warn({ ...context, err: error }, `cannot read a contract: ${messageOf(error)}`);
    }
  }
  return found;
}
