import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { transaction } from '../db/transaction.ts';
import type { AbiUpgrade, Hex } from '../kernel/chain.ts';
import { UsageError } from '../kernel/errors.ts';
import { type AbiVersions, lockAbiVersions, recordUpgrades } from '../progress/contract-registration.ts';
import { knownAbiVersions } from '../protocols/protocols.ts';

/** Another ABI version of a contract, from a block on. */
export type Upgrade = AbiUpgrade & { readonly chainId: number; readonly address: Hex };

/**
 * Records that a contract speaks another ABI version from a block on, because its proxy was upgraded. Running daemons are
 * notified and read its history anew. Repeating it changes nothing; an upgrade to the version before it removes the upgrade.
 *
 * @returns the contract with all its ABI versions.
 * @throws {UsageError} where the contract is not registered, or no contract at the address has such an ABI version.
 */
export async function upgradeContract(
  database: Database,
  { chainId, address, abiVersion, fromBlock }: Upgrade,
): Promise<AbiVersions> {
  return transaction(database, async (tx) => {
    const contracts = await lockAbiVersions(tx, chainId, address);
    if (contracts.length === 0) throw new UsageError(`${address} is not registered on chain ${chainId}`);
    const able = contracts.filter(({ kind }) => knownAbiVersions(kind).includes(abiVersion));
    const [contract] = able;
    if (contract === undefined) {
      const known = contracts.map(({ kind }) => `${kind}: ${knownAbiVersions(kind).join(', ')}`);
      throw new UsageError(`unknown ABI version ${abiVersion} (known for ${known.join('; ')})`);
    }
    if (able.length > 1) {
      const kinds = able.map(({ kind }) => kind).join(' and ');
      throw new UsageError(`${address} is registered as ${kinds}, which all have an ABI version ${abiVersion}`);
    }
    const upgrades = addUpgrade(contract, { fromBlock, abiVersion });
    await recordUpgrades(tx, chainId, contract, upgrades);
    await sql`select pg_notify('indexer_contracts', ${String(chainId)})`.execute(tx);
    return { ...contract, upgrades };
  });
}

/** Returns the upgrades with another one, ordered by block, without those that change nothing. Pure. */
export function addUpgrade(
  { abiVersion, upgrades }: Pick<AbiVersions, 'abiVersion' | 'upgrades'>,
  added: AbiUpgrade,
): readonly AbiUpgrade[] {
  const ordered = [...upgrades.filter(({ fromBlock }) => fromBlock !== added.fromBlock), added].sort(
    (a, b) => a.fromBlock - b.fromBlock,
  );
  const kept: AbiUpgrade[] = [];
  for (const upgrade of ordered) {
    if ((kept.at(-1)?.abiVersion ?? abiVersion) !== upgrade.abiVersion) kept.push(upgrade);
  }
  return kept;
}
