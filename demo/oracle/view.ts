import {
  type Abi,
  type AbiEvent,
  decodeEventLog,
  encodeAbiParameters,
  encodeEventTopics,
  type PublicClient,
  toEventSelector,
} from 'viem';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { IndexerError } from '../../indexer/kernel/errors.ts';

/** The contracts to compare, by kind, in lower case. */
export type Subjects = {
  readonly masters: readonly Hex[];
  readonly dividends: readonly Hex[];
  readonly artistTokens: readonly Hex[];
  readonly pools: readonly Hex[];
  /** Those of them whose logs say what their own reads do not, as a contract that emits whatever it is told to. */
  readonly unreadable?: readonly Hex[];
};

/** A row as text, so that no number is too large to compare; `null` is SQL's. */
export type Row = Readonly<Record<string, string | null>>;
/** The rows of one table by what identifies them on the chain. */
export type Rows = Map<string, Row>;

/** A log of the canonical chain. */
export type ChainLog = {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly block: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
};

/** What one contract's logs become. */
export type Part = {
  readonly tables: Readonly<Record<string, Rows>>;
  readonly undecodable: readonly ChainLog[];
  /** Where the chain's own reads (`ownerOf`, `balanceOf` and the like) contradict its logs. */
  readonly contradictions: readonly string[];
};

export type Decoded = {
  readonly log: ChainLog;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
};

/** The chain up to a block, as the node tells it; nothing here comes from the indexer. */
export type View = {
  readonly client: PublicClient;
  readonly chainId: number;
  readonly toBlock: number;
  /** Whether what a contract answers is to be held against its logs. */
  isReadable(address: Hex): boolean;
  /** Unix seconds, as text. */
  timestamp(block: number): Promise<string>;
  /** Logs of a contract that the ABI decodes, and those that it names and does not. */
  events(address: Hex, abi: Abi): Promise<{ events: Decoded[]; undecodable: ChainLog[] }>;
};

const PARALLEL_READS = 32;

/** Looks at the chain up to and including `toBlock`. */
export function viewOf(client: PublicClient, chainId: number, toBlock: number, unreadable: readonly Hex[] = []): View {
  const timestamps = new Map<number, Promise<string>>();
  return {
    client,
    chainId,
    toBlock,
    isReadable: (address) => !unreadable.includes(address),
    timestamp(block) {
      let known = timestamps.get(block);
      if (known === undefined) {
        known = client.getBlock({ blockNumber: BigInt(block) }).then(({ timestamp }) => String(timestamp));
        timestamps.set(block, known);
      }
      return known;
    },
    async events(address, abi) {
      const logs = await client.getLogs({ address, fromBlock: 0n, toBlock: BigInt(toBlock) });
      const events: Decoded[] = [];
      const undecodable: ChainLog[] = [];
      for (const log of logs) {
        const raw: ChainLog = {
          ...{ address, topics: log.topics as readonly Hex[], data: log.data, block: Number(log.blockNumber) },
          ...{ blockHash: log.blockHash, transactionHash: log.transactionHash, logIndex: log.logIndex },
        };
        const event = decode(raw, abi);
        if (event === 'unknown') continue;
        if (event === 'undecodable') undecodable.push(raw);
        else events.push(event);
      }
      return { events, undecodable };
    },
  };
}

function decode(log: ChainLog, abi: Abi): Decoded | 'unknown' | 'undecodable' {
  const event = abi.find((item): item is AbiEvent => item.type === 'event' && toEventSelector(item) === log.topics[0]);
  if (event === undefined) return 'unknown';
  try {
    const { args } = decodeEventLog({
      abi: [event],
      topics: log.topics as [Hex, ...Hex[]],
      data: log.data,
      strict: true,
    });
    const values = (args ?? {}) as unknown as Record<string, unknown>;
    return isExact(log, event, values) ? { log, name: event.name, args: values } : 'undecodable';
  } catch {
    return 'undecodable';
  }
}

/** Whether the values, encoded again, are the log to the letter: viem overlooks what is too much. */
function isExact(log: ChainLog, event: AbiEvent, args: Record<string, unknown>): boolean {
  const topics = encodeEventTopics({ abi: [event], args });
  const plain = event.inputs.filter(({ indexed }) => indexed !== true);
  const values = plain.map(({ name }) => args[name ?? '']);
  return log.topics.join() === topics.join() && log.data === encodeAbiParameters(plain, values);
}

/** Every address to compare, once. */
export function addressesOf({ masters, dividends, artistTokens, pools }: Subjects): Hex[] {
  return [...new Set([...masters, ...dividends, ...artistTokens, ...pools])];
}

/** A column's text: addresses and hashes in lower case, numbers in decimal. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : String(value);
}

/** An argument of an event; throws when the event has none of that name. */
export function argument(event: Decoded, name: string): bigint {
  const value = event.args[name];
  if (typeof value !== 'bigint' && typeof value !== 'number')
    throw new IndexerError(`${event.name} has no number ${name}`);
  return BigInt(value);
}

/** An address among the arguments of an event, in lower case. */
export function address(event: Decoded, name: string): Hex {
  return text(event.args[name]) as Hex;
}

/** The name of a fact on the chain. */
export function keyOf({ block, logIndex }: ChainLog, tokenId?: bigint): string {
  return tokenId === undefined ? `${block}:${logIndex}` : `${block}:${logIndex}:${tokenId}`;
}

/** What every fact says of where it is from. */
export async function originOf(view: View, log: ChainLog): Promise<Record<string, string>> {
  return {
    contract: log.address,
    tx_hash: log.transactionHash,
    block_hash: log.blockHash,
    block_timestamp: await view.timestamp(log.block),
  };
}

/** The rows of `indexer.contract_events` that the events become. */
export async function contractEvents(view: View, events: readonly Decoded[]): Promise<Rows> {
  const rows: Rows = new Map();
  for (const { log, name, args } of events) {
    const plain = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, text(value)]));
    const row = { ...(await originOf(view, log)), event: name, arguments: sortedJson(plain) };
    rows.set(keyOf(log), row);
  }
  return rows;
}

/** JSON whose keys are in order, so that equal objects are equal text. */
export function sortedJson(value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Does the same with every item, some at a time, and keeps the order. */
export async function mapParallel<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += PARALLEL_READS) {
    results.push(...(await Promise.all(items.slice(start, start + PARALLEL_READS).map(read))));
  }
  return results;
}
