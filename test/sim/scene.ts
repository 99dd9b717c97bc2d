import type { Database } from '../../indexer/db/database.ts';
import { commitFill, type FillCommit } from '../../indexer/ingest/commit-fill.ts';
import type { ContractKind, Hex } from '../../indexer/kernel/chain.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { loadContracts } from '../../indexer/registry/contracts.ts';
import { prepareContracts } from '../../indexer/registry/prepare.ts';
import { hexOf } from '../kit/event-logs.ts';
import { BlockTree, checkDatabase } from './check.ts';
import type { LogBody } from './events.ts';
import type { History, SimBlock } from './history.ts';
import { SimNode } from './node.ts';
import { Platform } from './platform.ts';
import { randomOf } from './random.ts';
import { SimFollower } from './roles.ts';
import { rowId, type SimContract } from './world.ts';

/** The contract of a scene. */
export type Key = readonly [kind: ContractKind, address: Hex];

/** A second branch that replaces the blocks from `from` on. */
type Fork = { readonly from: number; readonly blocks: readonly (readonly LogBody[])[] };

let seed = 900_000;

/** Sets up one chain with the given blocks, a node, a platform and a follower. */
export async function createScene(
  database: Database,
  keys: readonly Key[],
  blocks: readonly (readonly LogBody[])[],
  fork?: Fork,
) {
  seed++;
  const chainId = seed;
  const masters = [1, 2].map((place) => ({
    id: rowId(seed, 'a', place),
    artistId: rowId(seed, 'b', place),
    userId: rowId(seed, 'c', place),
  }));
  const contracts = keys.map(([kind, address], place): SimContract => {
    const owner = masters[kind === 'dividend' ? 0 : place === 0 ? 0 : 1];
    const platformId = rowId(seed, 'd', place + 1);
    return {
      ...{ chainId, address, kind, platformId, linkedMaster: null, deployedAt: 0 },
      masterId: kind === 'master' || kind === 'dividend' ? (owner?.id ?? null) : null,
      artistId: kind === 'artist_token' ? (owner?.artistId ?? null) : null,
      artistTokenId: kind === 'artist_token' ? platformId : null,
    };
  });
  const world = { seed, chainIds: [chainId], masters, contracts };
  const first = branchOf(chainId, blocks);
  const branches = [first, ...(fork === undefined ? [] : [branchOf(chainId, fork.blocks, first.slice(0, fork.from))])];
  const history: History = { seed, world, chains: [{ chainId, branches }] };
  const [chain] = history.chains;
  if (chain === undefined) throw new TypeError('a history has a chain');
  const tree = new BlockTree(history);
  const node = new SimNode(chain, randomOf(seed));
  node.finalized = 0;
  node.grow(blocks.length);
  const platform = new Platform(database.pool, world);
  await platform.open();
  for (const contract of contracts) await platform.announce(contract, randomOf(seed));
  await prepareContracts(database, chainId);
  const follower = new SimFollower(node, tree);
  const contract = (kind: ContractKind, address: Hex) =>
    contracts.find((candidate) => candidate.kind === kind && candidate.address === address) as SimContract;
  const fetch = async (wanted: Key | readonly Key[], to?: number, from = 0): Promise<FillCommit> => {
    const keys = (typeof wanted[0] === 'string' ? [wanted] : wanted) as readonly Key[];
    const seen = await readChain(database.kysely, chainId);
    const named = (await loadContracts(database.kysely, chainId)).contracts.filter(({ kind, address }) =>
      keys.some((key) => key[0] === kind && key[1] === address),
    );
    const piece = { seen, ...node.fetch(named, from, to ?? seen.head?.number ?? 0) };
    return { pieces: [piece], contracts: named };
  };
  return {
    ...{ chainId, node, platform, follower, contract, fetch },
    start: async (number: number) => {
      node.finalized = number; // Following begins at the finalized block.
      await follower.act(database, await follower.look(database, 1));
    },
    follow: async (count: number) => follower.act(database, await follower.look(database, count)),
    fill: async (...wanted: readonly Key[]) => commitFill(database, await fetch(wanted)),
    check: () => checkDatabase(database.pool, world, tree, platform, { links: false, ipos: false }),
  };
}

function branchOf(
  chainId: number,
  blocks: readonly (readonly LogBody[])[],
  stem: readonly SimBlock[] = [],
): SimBlock[] {
  const mark = BigInt(stem.length) << 16n;
  const hashOf = (number: number) =>
    stem[number]?.header.hash ?? hexOf((BigInt(chainId) << 32n) + mark + BigInt(number + 1), 64);
  const grown = blocks.map((bodies, place) => {
    const number = stem.length + place;
    const header = {
      ...{ number, hash: hashOf(number), parentHash: hashOf(number - 1) },
      timestamp: 1_700_000_000 + number,
      logsBloom: '0x' as Hex,
    };
    const logs = bodies.map((body, logIndex) => {
      const hash = hexOf((0x7an << 128n) + (BigInt(chainId) << 64n) + BigInt(number * 1000 + logIndex), 64);
      const transaction = { hash, gasUsed: 21_000n, gasPrice: 1n, bodies: [body] };
      const { address, topics, data } = body;
      const place = { blockNumber: number, blockHash: header.hash, transactionHash: hash, logIndex };
      return { raw: { address, topics, data, ...place }, body, transaction };
    });
    return { header, logs };
  });
  return [...stem, ...grown];
}
