import { type AbiEvent, encodeAbiParameters, encodeEventTopics } from 'viem';
import type { BlockHeader, Contract, ContractKind, Hex, RawLog, VerifiedRange } from '../../indexer/kernel/chain.ts';

/** Returns a number as `digits` hex digits with the prefix `0x`. */
export function hexOf(value: number | bigint, digits: number): Hex {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** Returns the address with this numeric value. */
export function addressOf(value: number | bigint): Hex {
  return hexOf(value, 40);
}

/** Returns a followed contract of chain 1. Its ids are derived from its address. */
export function contractOf(kind: ContractKind, value: number, change: Partial<Contract> = {}): Contract {
  const id = (group: string) => `00000000-0000-4000-${group}-${value.toString(16).padStart(12, '0')}`;
  return {
    chainId: 1,
    address: addressOf(value),
    kind,
    abiVersion: '1.0',
    platformId: id('8001'),
    masterId: kind === 'master' || kind === 'dividend' ? id('8002') : null,
    artistTokenId: kind === 'pool' ? id('8003') : null,
    ...change,
  };
}

/** Encodes the topics and data of an event with viem. */
export function encodeEvent(
  event: AbiEvent,
  args: Readonly<Record<string, unknown>>,
): { readonly topics: readonly Hex[]; readonly data: Hex } {
  const unindexed = event.inputs.filter((input) => input.indexed !== true);
  const values = unindexed.map((input) => args[input.name ?? '']);
  const topics = encodeEventTopics({ abi: [event], args }) as Hex[];
  return { topics, data: encodeAbiParameters(unindexed, values) };
}

/** Returns a log, by default the first of block 100. */
export function logOf(change: Partial<RawLog> & { readonly address: Hex }): RawLog {
  const blockNumber = change.blockNumber ?? 100;
  const blockHash = blockHashOf(blockNumber);
  return { topics: [], data: '0x', blockNumber, blockHash, transactionHash: hexOf(1, 64), logIndex: 0, ...change };
}

/** Returns the hash that a block has in these tests. */
export function blockHashOf(number: number): Hex {
  return hexOf(0xb10c_0000_0000n + BigInt(number), 64);
}

/** Returns the header of a block. The timestamp equals the block number. */
export function headerOf(number: number): BlockHeader {
  const [hash, parentHash] = [blockHashOf(number), blockHashOf(number - 1)];
  return { number, hash, parentHash, timestamp: number, logsBloom: '0x' };
}

/** Returns the range of blocks 90 to 110 with these logs and a header for every block. */
export function rangeOf(logs: readonly RawLog[]): VerifiedRange {
  const headers: BlockHeader[] = [];
  for (let number = 90; number <= 110; number++) {
    headers.push({ ...headerOf(number), timestamp: 1_700_000_000 + number });
  }
  return { chainId: 1, from: 90, to: 110, headers, logs };
}
