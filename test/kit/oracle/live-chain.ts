import type { Hex, PublicClient } from 'viem';
import { mapParallel } from '../map-parallel.ts';
import { findContradictions } from './contradictions.ts';
import { type ChainLog, LogReader } from './events.ts';
import type { Gas, Tables } from './fact-rows.ts';
import type { OracleBlock, OracleContract } from './facts.ts';
import { Oracle } from './oracle.ts';

/** A chain that answers over JSON-RPC; nothing of it comes from the indexer. */
export type LiveChain = { readonly client: PublicClient; readonly chainId: number };

/** What a chain says about its contracts. */
export type Expected = {
  readonly tables: Tables;
  /** Where the chain's own reads (`ownerOf`, `balanceOf` and the like) contradict its logs. */
  readonly contradictions: readonly string[];
};

/**
 * Computes from nothing but the chain what a database should hold at a block.
 *
 * @param unreadable - contracts whose own reads do not fit their logs, such as one that emits whatever it is told to
 */
export async function expectedOf(
  { client }: LiveChain,
  toBlock: number,
  contracts: readonly OracleContract[],
  unreadable: readonly Hex[] = [],
): Promise<Expected> {
  const reader = new LogReader();
  const blocks = await readBlocks(client, toBlock, new Set(contracts.map(({ address }) => address)));
  const gas = await readGas(client, reader, blocks, contracts);
  const oracle = new Oracle(contracts, { reader, gasOf: (hash) => gas.get(hash) });
  for (const block of blocks) oracle.addBlock(block);
  const tables = oracle.tables();
  const readable = contracts.filter(({ address }) => !unreadable.includes(address));
  return { tables, contradictions: await findContradictions(client, toBlock, tables, readable) };
}

/** Reads the blocks in which a followed contract emitted a log, with all their logs. */
async function readBlocks(
  client: PublicClient,
  toBlock: number,
  addresses: ReadonlySet<string>,
): Promise<OracleBlock[]> {
  const logs = await client.getLogs({ fromBlock: 0n, toBlock: BigInt(toBlock) });
  const plain = logs.map(
    (log): ChainLog => ({
      address: log.address.toLowerCase() as Hex,
      topics: log.topics as readonly Hex[],
      data: log.data,
      blockNumber: Number(log.blockNumber),
      blockHash: log.blockHash,
      transactionHash: log.transactionHash,
      logIndex: log.logIndex,
    }),
  );
  const inBlocks = [...Map.groupBy(plain, ({ blockNumber }) => blockNumber)]
    .filter(([, own]) => own.some(({ address }) => addresses.has(address)))
    .sort(([a], [b]) => a - b);
  return mapParallel(inBlocks, async ([number, own]) => {
    const { timestamp } = await client.getBlock({ blockNumber: BigInt(number) });
    return { number, timestamp: Number(timestamp), logs: own.sort((a, b) => a.logIndex - b.logIndex) };
  });
}

/** Reads the receipts of the transactions in which somebody claimed a dividend. */
async function readGas(
  client: PublicClient,
  reader: LogReader,
  blocks: readonly OracleBlock[],
  contracts: readonly OracleContract[],
): Promise<ReadonlyMap<Hex, Gas>> {
  const dividends = new Set(contracts.flatMap(({ kind, address }) => (kind === 'dividend' ? address : [])));
  const isClaim = (log: ChainLog) => {
    const reading = dividends.has(log.address) ? reader.read(log, 'dividend') : 'nothing';
    return typeof reading === 'object' && reading.event === 'DividendClaimed';
  };
  const claims = blocks.flatMap(({ logs }) => logs.filter(isClaim));
  const hashes = [...new Set(claims.map(({ transactionHash }) => transactionHash))];
  const read = await mapParallel(hashes, async (hash): Promise<[Hex, Gas]> => {
    const { gasUsed, effectiveGasPrice } = await client.getTransactionReceipt({ hash });
    return [hash, { gasUsed, gasPrice: effectiveGasPrice }];
  });
  return new Map(read);
}
