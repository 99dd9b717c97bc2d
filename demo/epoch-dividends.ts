import { encodeFunctionData, parseEther } from 'viem';
import { openDatabase } from '../indexer/db/database.ts';
import type { Hex } from '../indexer/kernel/chain.ts';
import { upgradeContract } from '../indexer/registry/upgrade.ts';
import type { Anvil, Transaction } from '../test/kit/anvil-node.ts';
import { ownArtifact } from '../test/kit/artifacts.ts';
import { type Deployed, deploy, executeOrThrow, type Platform } from '../test/kit/deploy.ts';
import { EPOCH_DIVIDENDS as ABI, CLASSIC_MASTER } from '../test/kit/interfaces.ts';
import { insertRow } from '../test/kit/platform-rows.ts';
import type { Queryable } from '../test/kit/queryable.ts';
import { type Action, CLASSIC_TOKENS } from '../test/kit/traffic-actions.ts';

/** The ABI version of dividend contracts that pay by the rule `snapshot`. */
export const SNAPSHOT_ABI_VERSION = '3.0';
/** How many of the newest epochs a claim may name. */
const CLAIMED_EPOCHS = 12;

const DEPOSIT = encodeFunctionData({ abi: ABI, functionName: 'deposit' });
const DISTRIBUTE = encodeFunctionData({ abi: ABI, functionName: 'distribute' });

/**
 * Deploys a dividend contract that pays the holders of the classic master by the rule `snapshot`, and uses it once: the first actor
 * mints two tokens and earns with both, sells one to the second actor, both earn in another distribution, and the first actor claims
 * what it earned in both.
 */
export async function deployEpochDividends(
  anvil: Anvil,
  { owner, actors, classicMaster }: Platform,
): Promise<Deployed> {
  const artifact = await ownArtifact('EpochDividends');
  const contract = await deploy(anvil, artifact, [classicMaster.address, BigInt(CLASSIC_TOKENS)]);
  const [seller, buyer = owner] = actors;
  const [master, epochs] = [classicMaster.address, contract.address];
  const mint = (tokenId: bigint): Transaction => {
    const data = encodeFunctionData({ abi: CLASSIC_MASTER, functionName: 'mint', args: [seller, tokenId] });
    return { from: seller, to: master, data };
  };
  const sale = encodeFunctionData({ abi: CLASSIC_MASTER, functionName: 'transferFrom', args: [seller, buyer, 1n] });
  const transactions: Transaction[] = [
    mint(0n),
    mint(1n),
    { from: owner, to: epochs, data: DEPOSIT, value: parseEther('2') },
    { from: owner, to: epochs, data: DISTRIBUTE },
    { from: seller, to: master, data: sale },
    { from: owner, to: epochs, data: DEPOSIT, value: parseEther('1') },
    { from: owner, to: epochs, data: DISTRIBUTE },
    { from: seller, to: epochs, data: claimOf([1n, 2n]) },
  ];
  for (const transaction of transactions) await executeOrThrow(anvil, transaction);
  return contract;
}

/**
 * Inserts the row of the dividend contract as the platform's backend does, and sets its ABI version as an operator does, because the
 * platform has no column for it.
 *
 * @param databaseUrl - the database of `db`
 */
export async function registerEpochDividends(
  db: Queryable,
  databaseUrl: string,
  { chainId, classicMaster }: Platform,
  { address, block }: Deployed,
): Promise<void> {
  const { rows } = await db.query('select master_id from master_contracts where contract_address = $1', [
    classicMaster.address,
  ]);
  await insertRow(db, 'dividend_contracts', {
    ...{ master_id: rows[0]?.master_id, distribution_model: 'per_master', chain_id: String(chainId) },
    ...{ contract_address: address, deployed_at_block: block },
  });
  const database = openDatabase({ url: databaseUrl, maxConnections: 1 });
  try {
    await upgradeContract(database, { chainId, address, abiVersion: SNAPSHOT_ABI_VERSION, fromBlock: 0 });
  } finally {
    await database.close();
  }
}

/** Returns what users do with the dividend contract. */
export function epochDividendActions({ address: to }: Deployed): readonly Action[] {
  const call = { address: to, abi: ABI } as const;
  const deposit: Action['draw'] = async ({ platform, random }) => {
    return { from: random.pick(platform.actors), to, data: DEPOSIT, value: random.amount(parseEther('5')) };
  };
  const distribute: Action['draw'] = async ({ platform }) => ({ from: platform.owner, to, data: DISTRIBUTE });
  const claim: Action['draw'] = async ({ anvil, platform, random }) => {
    const from = random.pick(platform.actors);
    const newest = Number(await anvil.client.readContract({ ...call, functionName: 'epochs' }));
    const count = Math.min(newest, CLAIMED_EPOCHS);
    const epochs = Array.from({ length: count }, (_, index) => BigInt(newest - index));
    const amounts = await Promise.all(
      epochs.map((epoch) => anvil.client.readContract({ ...call, functionName: 'claimable', args: [epoch, from] })),
    );
    return amounts.some((amount) => amount > 0n) ? { from, to, data: claimOf(epochs) } : undefined;
  };
  return [
    { name: 'deposit for an epoch', weight: 3, draw: deposit },
    { name: 'distribute an epoch', weight: 3, draw: distribute },
    { name: 'claim epochs', weight: 5, draw: claim },
  ];
}

function claimOf(epochs: readonly bigint[]): Hex {
  return encodeFunctionData({ abi: ABI, functionName: 'claim', args: [epochs] });
}
