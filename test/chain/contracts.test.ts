import { type Abi, decodeEventLog, parseAbi, toEventSelector } from 'viem';
import { beforeAll, expect, test } from 'vitest';
import { administrativeEvents } from '../../abis/administration.ts';
import { dividendV1 } from '../../abis/dividend.v1.ts';
import { erc20V1 } from '../../abis/erc20.v1.ts';
import { erc721cV1 } from '../../abis/erc721c.v1.ts';
import { uniswapV2PairV1 } from '../../abis/uniswap-v2-pair.v1.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { useAnvil } from '../kit/anvil.ts';
import { startAnvil } from '../kit/anvil-node.ts';
import { deployPlatform, type Platform, subjectsOf } from '../kit/deploy.ts';
import { MASTER } from '../kit/interfaces.ts';
import { unregistered } from '../kit/oracle/check-database.ts';
import { compareRows, describeDifferences } from '../kit/oracle/compare.ts';
import { type Expected, expectedOf } from '../kit/oracle/live-chain.ts';
import { createTraffic, type Traffic } from '../kit/traffic.ts';

const SEED = 20_260_101;
const STEPS = 500;

const anvil = useAnvil({ timestamp: 1_700_000_000, timestampInterval: 2 });
let platform: Platform;
let traffic: Traffic;

beforeAll(async () => {
  platform = await deployPlatform(anvil());
  traffic = await createTraffic(anvil(), platform, SEED);
  await traffic.run(STEPS);
});

const eventsOf = async (address: Hex, abi: Abi): Promise<Set<string>> => {
  const logs = await anvil().client.getLogs({ address, fromBlock: 0n, toBlock: 'latest' });
  const administrative: readonly unknown[] = administrativeEvents.map(({ name }) => name);
  const events = abi.filter((item) => item.type === 'event').filter(({ name }) => !administrative.includes(name));
  const ours = new Set(events.map(toEventSelector));
  const named = logs.filter(({ topics }) => ours.has(topics[0] ?? '0x'));
  return new Set(named.map(({ data, topics }) => decodeEventLog({ abi, data, topics }).eventName ?? ''));
};
const expectation = async (): Promise<Expected> => {
  const head = Number(await anvil().client.getBlockNumber());
  const contracts = unregistered(anvil().chainId, subjectsOf(platform));
  const linkedMaster = platform.master.address;
  return expectedOf(
    anvil(),
    head,
    contracts.map((contract) => (contract.kind === 'dividend' ? { ...contract, linkedMaster } : contract)),
  );
};

test('every event of the protocols is emitted by real bytecode', async () => {
  expect(await eventsOf(platform.master.address, erc721cV1)).toEqual(
    new Set(['Transfer', 'Minted', 'DefaultRoyaltySet', 'TokenRoyaltySet', 'TransferValidatorUpdated']),
  );
  expect(await eventsOf(platform.classicMaster.address, erc721cV1)).toEqual(new Set(['Transfer', 'DefaultRoyaltySet']));
  expect(await eventsOf(platform.batchMaster.address, erc721cV1)).toEqual(new Set(['Transfer', 'ConsecutiveTransfer']));
  expect(await eventsOf(platform.dividends.address, dividendV1)).toEqual(
    new Set(['RevenueDeposited', 'DividendsDistributed', 'DividendClaimed']),
  );
  expect(await eventsOf(platform.artistToken.address, erc20V1)).toEqual(new Set(['Transfer']));
  expect(await eventsOf(platform.pair.address, uniswapV2PairV1)).toEqual(
    new Set(['Mint', 'Burn', 'Swap', 'Sync', 'Transfer']),
  );
});

test('the oracle agrees with the answers of the contracts, and every log is decodable', async () => {
  const { tables, contradictions } = await expectation();
  expect(contradictions).toEqual([]);
  expect(tables.get('dead_letters')?.length).toBe(0);
  for (const [table, rows] of tables) if (table !== 'dead_letters') expect(rows.length, table).toBeGreaterThan(0);
});

test('traffic includes transactions with many swaps and with claims for many tokens, in two currencies', async () => {
  const { tables } = await expectation();
  const perTransaction = (table: string): number => {
    const counts = new Map<string, number>();
    for (const { tx_hash: hash } of tables.get(table) ?? []) counts.set(`${hash}`, (counts.get(`${hash}`) ?? 0) + 1);
    return Math.max(...counts.values());
  };
  expect(perTransaction('pool_events')).toBeGreaterThan(1);
  expect(perTransaction('dividend_claims')).toBeGreaterThan(1);
  const currencies = new Set((tables.get('dividend_claims') ?? []).map(({ currency }) => currency));
  expect(currencies.size).toBe(2);
});

test.each([1, 3, 40])('a reorg of %i blocks leaves another branch at the same height', async (depth) => {
  const head = await anvil().client.getBlock();
  const ancestor = await anvil().client.getBlock({ blockNumber: head.number - BigInt(depth) });
  const first = await anvil().client.getBlock({ blockNumber: ancestor.number + 1n });
  const before = await expectation();
  expect(await traffic.reorg(depth)).toBe(depth);
  const now = await anvil().client.getBlock();
  expect(now.number).toBe(head.number);
  expect((await anvil().client.getBlock({ blockNumber: ancestor.number })).hash).toBe(ancestor.hash);
  expect((await anvil().client.getBlock({ blockNumber: first.number })).hash).not.toBe(first.hash);
  await expect(anvil().request('eth_getLogs', { blockHash: head.hash })).rejects.toThrow('unknown block');
  const after = await expectation();
  expect(after.contradictions).toEqual([]);
  const rowsOf = ({ tables }: Expected) => tables.get('nft_transfers') ?? [];
  const key = ['block_number', 'log_index', 'token_id'];
  const differences = compareRows({ name: 'nft_transfers', key }, rowsOf(before), rowsOf(after));
  if (depth > 3) expect(differences).not.toEqual([]);
});

test('the comparison lists missing, surplus and unequal rows', () => {
  const row = { owner: '0x1', minter: null };
  const expected = [...'abc'].map((key) => ({ key, ...row }));
  const stored = [
    { key: 'a', ...row },
    { key: 'b', ...row, owner: '0x2' },
    { key: 'd', ...row },
  ];
  expect(describeDifferences(compareRows({ name: 't', key: ['key'] }, expected, stored))).toEqual([
    't: b: owner is 0x2, the chain says 0x1',
    't: c is missing',
    't: d should not be there',
  ]);
});

test('rolling back lowers the head', async () => {
  const head = await anvil().client.getBlockNumber();
  await anvil().mine(3);
  expect(await anvil().client.getBlockNumber()).toBe(head + 3n);
  await anvil().rollback(3);
  expect(await anvil().client.getBlockNumber()).toBe(head);
});

test('the same seed produces the same history', async () => {
  const histories = await Promise.all(
    [1, 2].map(async () => {
      const other = await startAnvil({ timestamp: 1_700_000_000, timestampInterval: 2 });
      try {
        const there = await createTraffic(other, await deployPlatform(other), SEED);
        await there.run(60);
        await there.reorg(5);
        await there.run(10);
        const logs = await other.client.getLogs({ fromBlock: 0n, toBlock: 'latest' });
        return logs.map(({ address, topics, data, blockNumber }) => ({ address, topics, data, blockNumber }));
      } finally {
        await other.stop();
      }
    }),
  );
  expect(histories[0]).toEqual(histories[1]);
});

test('only the owner of a token may burn it', async () => {
  const abi = parseAbi(['error NotTheOwner(uint256 tokenId)']);
  const call = {
    address: platform.master.address,
    abi: [...MASTER, ...abi],
    functionName: 'burn',
    args: [1n],
  } as const;
  const stranger = anvil().accounts.at(-1) as Hex;
  await expect(anvil().client.simulateContract({ ...call, account: stranger })).rejects.toThrow('NotTheOwner');
});
