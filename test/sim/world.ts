import type { ContractKind, Hex } from '../../indexer/kernel/chain.ts';
import { hexOf } from '../kit/event-logs.ts';
import type { Random } from './random.ts';

/** A contract of the platform, with the values of its row in `public`. */
export type SimContract = {
  readonly chainId: number;
  readonly address: Hex;
  readonly kind: ContractKind;
  readonly platformId: string;
  readonly masterId: string | null;
  readonly artistId: string | null;
  /** The id of a pool's artist token, or an artist token's own id. */
  readonly artistTokenId: string | null;
  /** The master contract that a dividend contract names, if any. */
  readonly linkedMaster: Hex | null;
  /** Whose tokens a dividend contract pays if it names no master contract: `per_master`, `per_artist` or `platform`. */
  readonly model?: string;
  readonly abiVersion?: string;
  readonly deployedAt: number;
};

/** A master of the platform, which may have a contract on every chain. */
export type SimMaster = { readonly id: string; readonly artistId: string; readonly userId: string };

/** The contracts and wallets of a drawn history. */
export type SimWorld = {
  readonly seed: number;
  readonly chainIds: readonly number[];
  readonly masters: readonly SimMaster[];
  readonly contracts: readonly SimContract[];
};

/** The first chain id of the simulation. Each history has two chain ids of its own. */
const FIRST_CHAIN_ID = 1_000_000;
/** The deployment block of contracts that exist from the beginning. */
const FIRST_BLOCK = 0;

/** Draws a few contracts of any kind for each chain. Some of them share an address or a master. */
export function drawWorld(seed: number, random: Random): SimWorld {
  const first = FIRST_CHAIN_ID + seed * 2;
  const chainIds = random.percent(25) ? [first, first + 1] : [first];
  // Sometimes the first two masters are of one artist.
  const shared = random.percent(50);
  const masters = [1, 2, 3].map((place) => {
    const artist = shared && place === 2 ? 1 : place;
    return { id: rowId(seed, 'a', place), artistId: rowId(seed, 'b', artist), userId: rowId(seed, 'c', artist) };
  });
  const contracts = chainIds.flatMap((chainId, index) => drawContracts(seed, chainId, index, masters, random));
  return { seed, chainIds, masters, contracts };
}

/** Returns the id of a platform row, the same in every database that runs the history. */
export function rowId(seed: number, group: string, place: number): string {
  const digits = seed.toString(16).padStart(8, '0');
  return `${digits}-${group.repeat(4)}-4000-8000-${place.toString(16).padStart(12, '0')}`;
}

/** Returns the key of a contract in the registry. */
export function keyOf({ chainId, kind, address }: { chainId: number; kind: string; address: string }): string {
  return `${chainId} ${kind} ${address}`;
}

function drawContracts(
  seed: number,
  chainId: number,
  chainPlace: number,
  masters: readonly SimMaster[],
  random: Random,
): SimContract[] {
  let place = chainPlace * 100;
  const address = () => hexOf((BigInt(seed) << 16n) + 0xc000_0000_0000_0000n + BigInt(place), 40);
  const base = (kind: ContractKind) => {
    place++;
    const platformId = rowId(seed, 'd', place);
    const deployedAt = random.percent(50) ? FIRST_BLOCK : random.between(1, 8);
    return { chainId, address: address(), kind, platformId, deployedAt };
  };
  const none = { masterId: null, artistId: null, artistTokenId: null, linkedMaster: null };
  const contracts: SimContract[] = [];
  for (const { id, artistId } of random.percent(60) ? masters.slice(0, 2) : masters.slice(0, 1)) {
    contracts.push({ ...base('master'), ...none, masterId: id, artistId });
  }
  const artists = new Set(
    (random.percent(30) ? masters.slice(0, 2) : masters.slice(0, 1)).map((master) => master.artistId),
  );
  for (const artistId of artists) {
    const token = base('artist_token');
    contracts.push({ ...token, ...none, artistId, artistTokenId: token.platformId });
  }
  const [master] = contracts;
  const token = contracts.find(({ kind }) => kind === 'artist_token');
  for (
    let count = random.weighted([
      [2, 0],
      [5, 1],
      [3, 2],
    ]);
    count > 0;
    count--
  ) {
    const dividend = base('dividend');
    const isFree = !contracts.some(({ kind, address }) => kind === 'dividend' && address === master?.address);
    const place = placeOf(isFree && random.percent(25) && master !== undefined ? master : dividend);
    contracts.push({ ...dividend, ...place, ...none, ...drawPayment(contracts, masters, random) });
  }
  for (let pools = random.between(0, 2); pools > 0; pools--) {
    const pool = base('pool');
    const place = placeOf(pools === 1 && random.percent(25) && token !== undefined ? token : pool);
    contracts.push({ ...pool, ...place, ...none, artistTokenId: token?.platformId ?? null });
  }
  return contracts;
}

/** Returns the address and the deployment block of a contract. Two kinds at one address are one contract on the chain. */
function placeOf({ address, deployedAt }: Pick<SimContract, 'address' | 'deployedAt'>) {
  return { address, deployedAt };
}

/** Draws whose tokens a dividend contract pays, and by which rule. */
function drawPayment(contracts: readonly SimContract[], masters: readonly SimMaster[], random: Random) {
  const model = random.weighted([
    [5, 'per_master'],
    [4, 'per_artist'],
    [2, 'platform'],
  ] as const);
  const { id: masterId = null, artistId = null } = masters[0] ?? {};
  const owner = { per_master: { masterId }, per_artist: { artistId }, platform: {} }[model];
  const named = random.pick(contracts.filter(({ kind }) => kind === 'master'));
  const linkedMaster = random.percent(30) ? named.address : null;
  return { ...owner, model, linkedMaster, abiVersion: random.pick(['1.0', '1.0', '2.0', '3.0', '3.0']) };
}
