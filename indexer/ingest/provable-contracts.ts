import type { Kysely } from 'kysely';
import type { DB } from '../db/schema.ts';
import { loadContracts, type RegisteredContract } from '../registry/contracts.ts';
import { contractFault } from './contract-index.ts';

/**
 * Returns the contracts whose covered facts this program can compare with the chain: those that are followed, and those that were
 * quarantined because of a log, since their coverage below this log stays.
 */
export async function provableContracts(db: Kysely<DB>, chainId: number): Promise<readonly RegisteredContract[]> {
  const { contracts } = await loadContracts(db, chainId);
  return contracts.filter(
    (contract) =>
      contract.prepared &&
      contract.announced &&
      (contract.status === 'active' || contract.quarantinedAtBlock !== null) &&
      (contract.coveredFingerprint ?? contract.fingerprint) === contract.fingerprint &&
      contractFault(contract) === null,
  );
}
