import type { Hex, PublicClient } from 'viem';
import { mapParallel } from '../map-parallel.ts';
import { findContradictions } from './contradictions.ts';
import { CLAIM_EVENTS, LogDecoder, type OracleLog } from './events.ts';
import type { Gas, Tables } from './fact-rows.ts';
import type { OracleBlock, OracleContract } from './facts.ts';
import { Oracle } from './oracle.ts';

/** A chain and a client that reads it directly, without the indexer. */
export type LiveChain = { readonly client: PublicClient; readonly chainId: number };

/** The rows that the chain implies for its contracts. */
export type Expected = {
  readonly tables: Tables;
  /** Calls to contracts (such as `ownerOf` and `balanceOf`) whose results contradict the logs. */
  readonly contradictions: readonly string[];
};

/**
 * Computes the rows that a database should have at a block, from the chain alone.
 *
 * @param unreadable contracts for which calls do not match the logs, such as a contract that emits arbitrary logs
 */
export async function expectedOf(
  { client }: LiveChain,
  toBlock: number,
  contracts: readonly OracleContract[],
  unreadable: readonly Hex[] = [],
): Promise<Expected> {
  const decoder = new LogDecoder();
  const blocks = await readBlocks(client, toBlock, new Set(contracts.map(({ address }) => address)));
  const gas = await readGas(client, decoder, blocks, contracts);
  const oracle = new Oracle(contracts, { decoder, gasOf: (hash) => gas.get(hash) });
  for (const block of blocks) oracle.addBlock(block);
  const tables = oracle.tables();
  const readable = contracts.filter(({ address }) => !unreadable.includes(address));
  return { tables, contradictions: await findContradictions(client, toBlock, tables, readable) };
}

/** The number of blocks whose logs are read in one request. viem rejects large responses. */
const RANGE_BLOCKS = 1_000;

/** Reads the blocks in which a followed contract emitted a log, with all their logs. */
async function readBlocks(
  client: PublicClient,
  toBlock: number,
  addresses: ReadonlySet<string>,
): Promise<OracleBlock[]> {
  const starts = Array.from({ length: Math.floor(toBlock / RANGE_BLOCKS) + 1 }, (_, range) => range * RANGE_BLOCKS);
  const ranges = starts.map((from) => ({ from, to: Math.min(from + RANGE_BLOCKS - 1, toBlock) }));
  const answers = [];
  for (const { from, to } of ranges) {
    answers.push(await client.getLogs({ fromBlock: BigInt(from), toBlock: BigInt(to) }));
  }
  const logs = answers.flat();
  const plain = logs.map(
    (log): OracleLog => ({
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

/** Reads the gas of the transactions that claimed dividends. It is in their receipts. */
async function readGas(
  client: PublicClient,
  decoder: LogDecoder,
  blocks: readonly OracleBlock[],
  contracts: readonly OracleContract[],
): Promise<ReadonlyMap<Hex, Gas>> {
  const dividends = new Map(
    contracts
      .filter(({ kind }) => kind === 'dividend')
      .map(({ address, abiVersion }) => [address, abiVersion ?? '1.0']),
  );
  const isClaim = (log: OracleLog) => {
    const version = dividends.get(log.address);
    const decoded = version === undefined ? 'unknown' : decoder.decode(log, 'dividend', version);
    return typeof decoded === 'object' && CLAIM_EVENTS.includes(decoded.event);
  };
  const claims = blocks.flatMap(({ logs }) => logs.filter(isClaim));
  const hashes = [...new Set(claims.map(({ transactionHash }) => transactionHash))];
  const read = await mapParallel(hashes, async (hash): Promise<[Hex, Gas]> => {
    const { gasUsed, effectiveGasPrice } = await client.getTransactionReceipt({ hash });
    return [hash, { gasUsed, gasPrice: effectiveGasPrice }];
  });
  return new Map(read);
}
