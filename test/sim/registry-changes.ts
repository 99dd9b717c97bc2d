import { addContracts, type ContractSpec } from '../../indexer/registry/add.ts';
import { loadContracts, type RegisteredContract } from '../../indexer/registry/contracts.ts';
import { linkDividend } from '../../indexer/registry/dividend-masters.ts';
import { removeContract } from '../../indexer/registry/remove.ts';
import type { DriveContext, Lane } from './drive-context.ts';
import { keyOf, type SimContract } from './world.ts';

/**
 * Makes one change as the platform or an operator would: adds, removes or restores a contract, links a master, or inserts a token, a
 * listing, an IPO or revenue.
 */
export async function changeRegistry(drive: DriveContext, lane: Lane): Promise<void> {
  const { random, platform, history } = drive;
  const own = history.world.contracts.filter(({ chainId }) => chainId === lane.chainId);
  const { contracts } = await loadContracts(drive.database.kysely, lane.chainId);
  const change = random.weighted([
    [4, 'announce'],
    [drive.options.detours ? 3 : 0, 'remove'],
    [3, 'restore'],
    [drive.options.detours ? 2 : 0, 'token'],
    [drive.options.detours ? 2 : 0, 'listing'],
    [2, 'ipo'],
    [drive.options.detours ? 2 : 0, 'link'],
    [drive.options.detours ? 5 : 0, 'revenue'],
  ] as const);
  drive.count(`registry: ${change}`);
  switch (change) {
    case 'announce': {
      const waiting = own.filter((contract) => !platform.announced.has(contract));
      if (waiting.length > 0) await platform.announce(random.pick(waiting), random);
      for (const follower of lane.followers) if (random.percent(70)) follower.forget();
      return;
    }
    case 'remove': {
      const active = contracts.filter(({ status }) => status !== 'removed');
      if (active.length > 0) await remove(drive, own, random.pick(active));
      return;
    }
    case 'restore':
      return restoreAll(drive, contracts, own, () => random.percent(70));
    case 'token':
    case 'listing': {
      const masters = own.filter((contract) => contract.kind === 'master' && platform.announced.has(contract));
      if (masters.length === 0) return;
      const tokenId = BigInt(random.below(7));
      if (change === 'token') await platform.insertToken(random.pick(masters), tokenId);
      else await platform.listToken(random.pick(masters), tokenId);
      return;
    }
    case 'link':
      return linkMaster(drive, own);
    case 'revenue':
      return insertRevenue(drive, lane, own);
    case 'ipo': {
      const masters = history.world.masters.filter(({ id }) => !platform.ipos.has(id));
      if (masters.length === 0) return;
      await platform.openIpo(random.pick(masters).id);
      drive.iposSettled = false;
    }
  }
}

/** Links a master to a dividend contract, or unlinks it, as an operator would. */
async function linkMaster({ database, platform, random }: DriveContext, own: readonly SimContract[]): Promise<void> {
  const announced = own.filter((contract) => platform.announced.has(contract));
  const dividends = announced.filter(({ kind }) => kind === 'dividend');
  const masters = announced.filter(({ kind }) => kind === 'master');
  if (dividends.length === 0 || masters.length === 0) return;
  const [dividend, master, serves] = [random.pick(dividends), random.pick(masters), random.percent(50)];
  const { chainId } = dividend;
  await linkDividend(database, { chainId, dividend: dividend.address, master: master.address, serves });
  platform.link(dividend, master, serves);
}

/** Inserts up to four rows of revenue for random deposits on any branch, with the amount of the deposit or another one. */
async function insertRevenue({ platform, random, history }: DriveContext, lane: Lane, own: readonly SimContract[]) {
  const dividends = own.filter((contract) => contract.kind === 'dividend' && platform.announced.has(contract));
  const branches = history.chains.find(({ chainId }) => chainId === lane.chainId)?.branches ?? [];
  const deposits = branches
    .flat()
    .flatMap(({ logs }) => logs.filter(({ body: { event, flaw } }) => flaw === null && DEPOSITS.includes(event ?? '')));
  for (let count = random.between(1, 4); count > 0 && deposits.length > 0; count--) {
    const { raw, body } = random.pick(deposits);
    const contract = dividends.find(({ address }) => address === raw.address);
    const units = (body.args.amount as bigint) / 10n ** 18n;
    const amount = units < 10n ** 9n && random.percent(70) ? String(units) : '5';
    if (contract !== undefined) await platform.insertRevenue(contract, raw.transactionHash, amount, random);
  }
}

const DEPOSITS: readonly string[] = ['RevenueDeposited', 'RevenueDepositedFrom', 'DividendDeposited'];

async function remove(drive: DriveContext, own: readonly SimContract[], contract: RegisteredContract): Promise<void> {
  const { chainId, address, kind } = contract;
  const shared = own.filter((other) => other.address === address).length > 1;
  // A purge cannot distinguish the dead letters of two kinds at one address.
  const purge = !shared && drive.random.percent(40);
  const outcome = await drive.attempt('remove', (database) =>
    removeContract(database, { chainId, address, kind, purge }),
  );
  if (!purge || outcome === 'refused') return;
  const { rows } = await drive.database.pool.query(
    `select from indexer.contracts where chain_id = $1 and address = $2 and kind = $3 and status = 'removed' and isempty(covered)`,
    [chainId, address, kind],
  );
  const purged = own.find((candidate) => keyOf(candidate) === keyOf(contract));
  if (rows.length > 0 && purged !== undefined) drive.platform.forget(purged);
}

/** Follows removed contracts again if `chosen` returns true for them. */
export async function restoreAll(
  drive: DriveContext,
  contracts: readonly RegisteredContract[],
  own: readonly SimContract[],
  chosen: () => boolean,
): Promise<void> {
  for (const contract of contracts) {
    if (contract.status !== 'removed' || !chosen()) continue;
    const deployedAt = own.find((candidate) => keyOf(candidate) === keyOf(contract))?.deployedAt;
    const { chainId, address, kind } = contract;
    const known = { chainId, address, fromBlock: deployedAt };
    const specs: Readonly<Record<string, ContractSpec>> = {
      master: { ...known, kind: 'master', masterId: undefined },
      dividend: { ...known, kind: 'dividend', masterContract: undefined },
      artist_token: { ...known, kind: 'artist_token', artistId: undefined },
      pool: { ...known, kind: 'pool', type: 'uniswap_v2', token0: address, token1: address },
    };
    await addContracts(drive.database, [specs[kind] as ContractSpec]);
  }
}
