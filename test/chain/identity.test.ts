import { isDeepStrictEqual } from 'node:util';
import { encodeFunctionData, parseAbi } from 'viem';
import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { type Artifact, ownArtifact, publishedArtifact } from '../kit/artifacts.ts';
import { Daemon } from '../kit/daemon.ts';
import { type Deployed, deploy, executeOrThrow } from '../kit/deploy.ts';
import { announce } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { Program } from '../kit/program.ts';
import type { Queryable } from '../kit/queryable.ts';
import { type AnvilScene, announcedDatabase, deployOnAnvil } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const POOL_GAS = 12_000_000n;
const V3_FACTORY = parseAbi([
  'function createPool(address tokenA, address tokenB, uint24 fee) returns (address)',
  'function getPool(address tokenA, address tokenB, uint24 fee) view returns (address)',
]);

/** Returns the creation code of a minimal proxy (EIP-1167). */
function minimalProxyOf(address: Hex): Hex {
  return `0x3d602d80600a3d3981f3363d3d373d3d3d363d73${address.slice(2)}5af43d82803e903d91602b57fd5bf3`;
}

/** Deploys masters with tokens 0 and 1 of one wallet: a published contract, and two whose URIs `update` changes. */
async function deployMasters({ anvil, platform: { owner } }: AnvilScene) {
  const preset = '@openzeppelin/contracts/build/contracts/ERC721PresetMinterPauserAutoId.json';
  const [published, updatable] = [await publishedArtifact(preset), await ownArtifact('UpdatableMaster')];
  const songs = await deploy(anvil, published, ['Songs', 'SONG', 'ipfs://song/']);
  const [single, album] = [await deploy(anvil, updatable), await deploy(anvil, updatable)];
  const call = async ({ address: to }: Deployed, { abi }: Artifact, functionName: string, ...args: unknown[]) => {
    await executeOrThrow(anvil, { from: owner, to, data: encodeFunctionData({ abi, functionName, args }) });
  };
  for (const tokenId of [0n, 1n]) {
    await call(songs, published, 'mint', owner);
    for (const master of [single, album]) await call(master, updatable, 'mint', owner, tokenId);
  }
  return {
    masters: [songs, single, album] as const,
    update: async () => {
      await call(single, updatable, 'setTokenURI', 1n, 'remastered');
      await call(album, updatable, 'setBaseURI', 'ipfs://second/');
    },
  };
}

/** Waits until tokens 0 and 1 of some masters have these URIs. */
async function untilUrisAre(db: Queryable, masters: readonly Deployed[], expected: readonly string[][]): Promise<void> {
  await until(`the URIs ${expected}`, async () => {
    const { rows } = await db.query(
      `select array_agg(token_uri order by token_id) as uris from master_nfts
       where contract_address = any($1) group by contract_address order by array_position($1, contract_address::text)`,
      [masters.map(({ address }) => address)],
    );
    const found = rows.map(({ uris }) => uris);
    return isDeepStrictEqual(found, expected);
  });
}

/** Creates a pool of Uniswap V3. */
async function createV3Pool({ anvil, platform }: AnvilScene): Promise<Hex> {
  const path = '@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json';
  const factory = await deploy(anvil, await publishedArtifact(path));
  const args = [platform.artistToken.address, platform.quoteToken.address, 3000] as const;
  const data = encodeFunctionData({ abi: V3_FACTORY, functionName: 'createPool', args });
  await executeOrThrow(anvil, { from: platform.owner, to: factory.address, data, gas: POOL_GAS });
  const pool = await anvil.client.readContract({
    ...{ address: factory.address, abi: V3_FACTORY, functionName: 'getPool', args },
  });
  return pool.toLowerCase() as Hex;
}

test('contracts that do not speak the protocol of their row are quarantined, and tokens of the others get the URIs that these answer', async () => {
  const scene = await deployOnAnvil({ slotsInAnEpoch: 1 });
  const { anvil, platform, traffic, settled } = scene;
  const { url, db } = await announcedDatabase(platform);
  const { artistToken, quoteToken, classicMaster, batchMaster, dividends } = platform;
  const solidly = await deploy(anvil, await ownArtifact('SolidlyPair'), [platform.token0, platform.token1, false]);
  const v3 = await createV3Pool(scene);
  const artist = await insertArtist(db);
  const { chainId } = platform;
  const { rows } = await db.query('select id from artist_tokens where contract_address = $1', [artistToken.address]);
  const token = rows[0].id as string;
  const wrong = [
    { kind: 'pool', address: solidly.address, token },
    { kind: 'pool', address: v3, token },
    { kind: 'master', address: quoteToken.address },
    { kind: 'artist_token', address: classicMaster.address },
    { kind: 'dividend', address: quoteToken.address },
    { kind: 'dividend', address: batchMaster.address },
  ] as const;
  // A proxy's code does not show that it is a dividend contract. The program must not conclude that it is none.
  const proxy = await deploy(anvil, { abi: [], bytecode: minimalProxyOf(dividends.address) });
  await announce(db, artist, { kind: 'dividend', chainId, address: proxy.address, block: null });
  for (const contract of wrong) await announce(db, artist, { ...contract, chainId, block: null });
  const { masters, update } = await deployMasters(scene);
  for (const { address, block } of masters)
    await announce(db, await insertArtist(db, address), { kind: 'master', chainId, address, block });
  const env = { DATABASE_URL: url, [`RPC_URL_${chainId}`]: anvil.url };
  const daemon = await Daemon.start(env, { tokenUriCallsPerSecond: 100 });
  const reasons = () =>
    db.query<{ key: string; status_reason: string }>(
      `select kind || ' ' || address as key, status_reason from indexer.contracts where status = 'quarantined'`,
    );
  await until('the contracts to be quarantined', async () => (await reasons()).rowCount === wrong.length);
  expect(Object.fromEntries((await reasons()).rows.map(({ key, status_reason }) => [key, status_reason]))).toEqual({
    [`pool ${solidly.address}`]: expect.stringContaining(
      'speaks Solidly (Velodrome, Aerodrome), which has no protocol yet',
    ),
    [`pool ${v3}`]: expect.stringMatching(/speaks Uniswap V3|pools of type uniswap_v3 are not supported/),
    [`master ${quoteToken.address}`]: expect.stringContaining('speaks ERC-20 instead of ERC-721'),
    [`artist_token ${classicMaster.address}`]: expect.stringContaining('speaks ERC-721 instead of ERC-20'),
    [`dividend ${quoteToken.address}`]: 'it speaks ERC-20 and has no event of a dividend contract in its code',
    [`dividend ${batchMaster.address}`]: 'it speaks ERC-721 and has no event of a dividend contract in its code',
  });
  const ready = await daemon.fetch('/ready');
  expect(await ready.json()).toMatchObject({
    degraded: { [chainId]: `${wrong.length} contracts are quarantined; see indexer contracts list` },
  });
  const identities = await db.query(
    `select address, speaks_protocol, identity_note from indexer.contracts where kind = 'dividend' and status = 'active'`,
  );
  expect(new Set(identities.rows)).toEqual(
    new Set([
      { address: dividends.address, speaks_protocol: true, identity_note: null },
      { address: proxy.address, speaks_protocol: null, identity_note: null },
    ]),
  );
  await traffic.run(1);
  await settled(db);
  const [songs, first] = [
    ['ipfs://song/0', 'ipfs://song/1'],
    ['ipfs://first/0', 'ipfs://first/1'],
  ];
  await untilUrisAre(db, masters, [songs, first, first]);
  await update();
  const updated = [
    ['ipfs://first/0', 'ipfs://first/remastered'],
    ['ipfs://second/0', 'ipfs://second/1'],
  ];
  await untilUrisAre(db, masters, [songs, ...updated]);
  const list = new Program(['contracts', 'list'], env);
  expect(await list.exited).toBe(0);
  expect(list.stdout).toContain('speaks Solidly');
});
