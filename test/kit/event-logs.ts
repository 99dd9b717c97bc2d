import { type AbiEvent, encodeAbiParameters, encodeEventTopics } from 'viem';
import type { BlockHeader, Contract, ContractKind, Hex, RawLog, VerifiedRange } from '../../indexer/kernel/chain.ts';

/** A seeded source of integers below `bound` (mulberry32), so that a failure can be repeated. */
export function randomSource(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

/** `0x` and `digits` hex digits that end in `value`. */
export function hexOf(value: number | bigint, digits: number): Hex {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** An address that ends in `value`. */
export function addressOf(value: number | bigint): Hex {
  return hexOf(value, 40);
}

/** A followed contract of chain 1 whose ids tell its address. */
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

/** The topics and data of an event with these arguments, by viem. */
export function encodeEvent(
  event: AbiEvent,
  args: Readonly<Record<string, unknown>>,
): { readonly topics: readonly Hex[]; readonly data: Hex } {
  const unindexed = event.inputs.filter((input) => input.indexed !== true);
  const values = unindexed.map((input) => args[input.name ?? '']);
  const topics = encodeEventTopics({ abi: [event], args }) as Hex[];
  return { topics, data: encodeAbiParameters(unindexed, values) };
}

type LogChange = Partial<RawLog> & { readonly address: Hex };

/** A log of block 100, at index 0, unless told otherwise. */
export function logOf(change: LogChange): RawLog {
  const blockNumber = change.blockNumber ?? 100;
  const blockHash = blockHashOf(blockNumber);
  return { topics: [], data: '0x', blockNumber, blockHash, transactionHash: hexOf(1, 64), logIndex: 0, ...change };
}

/** The hash of the block of a number in these tests. */
export function blockHashOf(number: number): Hex {
  return hexOf(0xb10c_0000_0000n + BigInt(number), 64);
}

/** A range from block 90 to 110 that holds these logs, and a header for every block. */
export function rangeOf(logs: readonly RawLog[]): VerifiedRange {
  const headers: BlockHeader[] = [];
  for (let number = 90; number <= 110; number++) {
    headers.push({
      number,
      hash: blockHashOf(number),
      parentHash: blockHashOf(number - 1),
      timestamp: 1_700_000_000 + number,
      logsBloom: '0x',
    });
  }
  return { chainId: 1, from: 90, to: 110, headers, logs };
}
