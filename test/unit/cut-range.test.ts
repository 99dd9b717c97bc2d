import { parseAbi } from 'viem';
import { describe, expect, it } from 'vitest';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { cutRange } from '../../indexer/ingest/cut-range.ts';
import type { VerifiedRange } from '../../indexer/kernel/chain.ts';
import { addressOf, blockHashOf, contractOf, encodeEvent, logOf } from '../kit/event-logs.ts';

const [batch, single] = parseAbi([
  'event ConsecutiveTransfer(uint256 indexed fromTokenId, uint256 toTokenId, address indexed fromAddress, address indexed toAddress)',
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
]);
const index = contractIndex([contractOf('master', 9)]);
const party = { fromAddress: addressOf(0), toAddress: addressOf(1) };

/** Returns blocks 1 to 10, each with one ERC-2309 batch of `tokens` tokens and one ordinary transfer. */
function rangeOf(tokens: bigint): VerifiedRange {
  const blocks = Array.from({ length: 10 }, (_, index) => index + 1);
  return {
    chainId: 1,
    from: 1,
    to: 10,
    headers: blocks.map((number) => ({
      number,
      hash: blockHashOf(number),
      parentHash: '0x',
      timestamp: 1,
      logsBloom: '0x',
    })),
    logs: blocks.flatMap((blockNumber) => [
      logOf({
        address: addressOf(9),
        blockNumber,
        ...encodeEvent(batch, { fromTokenId: 5n, toTokenId: 4n + tokens, ...party }),
      }),
      logOf({
        address: addressOf(9),
        blockNumber,
        logIndex: 1,
        ...encodeEvent(single, { from: addressOf(0), to: addressOf(1), tokenId: 1n }),
      }),
    ]),
  };
}

describe('cutRange', () => {
  it('returns a range unchanged when its facts fit', () => {
    const range = rangeOf(9n);
    expect(cutRange(range, index, 100)).toBe(range);
  });

  it('ends a range at the last block that fits, headers and logs alike', () => {
    const cut = cutRange(rangeOf(9n), index, 34);
    expect([cut.from, cut.to, cut.headers.length, cut.logs.length]).toEqual([1, 3, 3, 6]);
  });

  it('never splits a block, even one that is too large by itself', () => {
    const cut = cutRange(rangeOf(5000n), index, 100);
    expect([cut.to, cut.headers.length, cut.logs.length]).toEqual([1, 1, 2]);
  });
});
