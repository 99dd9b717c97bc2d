import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { transaction } from '../db/transaction.ts';
import type { AbiUpgrade, Hex } from '../kernel/chain.ts';
import { UsageError } from '../kernel/errors.ts';
import { type AbiVersions, lockAbiVersions, recordUpgrades } from '../progress/contract-registration.ts';
import { knownAbiVersions, protocols } from '../protocols/protocols.ts';

/** A change of a contract's ABI version at a block. */
export type Upgrade = AbiUpgrade & { readonly chainId: number; readonly address: Hex };

/** Throws `UsageError` if this program knows the ABI version for no kind of contract. */
export function refuseUnknownAbiVersion(abiVersion: string): void {
  const known = [...new Set(protocols.flatMap(({ version }) => version))];
  if (known.includes(abiVersion)) return;
  throw new UsageError(`unknown ABI version ${abiVersion} (there are: ${known.join(', ')})`);
}

/**
 * Records that a contract has another ABI version from a block on, because its proxy was upgraded. Running daemons are notified and read
 * its history again. Repeating it changes nothing. If the contract has this version already just before the block, an upgrade that was
 * recorded at the block is removed.
 *
 * @returns the contract with all its ABI versions.
 * @throws {UsageError} if no contract at the address is registered, or if the ABI version is known for none or for several of their kinds.
 */
export async function upgradeContract(
  database: Database,
  { chainId, address, abiVersion, fromBlock }: Upgrade,
): Promise<AbiVersions> {
  return transaction(database, async (tx) => {
    const contracts = await lockAbiVersions(tx, chainId, address);
    if (contracts.length === 0) throw new UsageError(`${address} is not registered on chain ${chainId}`);
    const candidates = contracts.filter(({ kind }) => knownAbiVersions(kind).includes(abiVersion));
    const [contract] = candidates;
    if (contract === undefined) {
      const known = contracts.map(({ kind }) => `${kind}: ${knownAbiVersions(kind).join(', ')}`);
      throw new UsageError(`unknown ABI version ${abiVersion} (known for ${known.join('; ')})`);
    }
    if (candidates.length > 1) {
      const kinds = candidates.map(({ kind }) => kind).join(' and ');
      throw new UsageError(`${address} is registered as ${kinds}, which all have an ABI version ${abiVersion}`);
    }
    const upgrades = addUpgrade(contract, { fromBlock, abiVersion });
    await recordUpgrades(tx, chainId, contract, upgrades);
    await sql`select pg_notify('indexer_contracts', ${String(chainId)})`.execute(tx);
    return { ...contract, upgrades };
  });
}

/** Adds an upgrade to a list of upgrades. Returns them ordered by block, without upgrades that do not change the version. Pure. */
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
