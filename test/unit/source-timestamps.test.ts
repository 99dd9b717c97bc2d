import { getAbiItem } from 'viem';
import { expect, test } from 'vitest';
import { dividendV1 } from '../../abis/dividend.v1.ts';
import { factCount } from '../../indexer/facts/encoded-batch.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { fetchBatch } from '../../indexer/ingest/fetch-batch.ts';
import type { VerifiedRange } from '../../indexer/kernel/chain.ts';
import { toQuantity } from '../../indexer/source/parse.ts';
import { Chain, type ChainBlock } from '../kit/chain.ts';
import { addressOf, contractOf, encodeEvent } from '../kit/event-logs.ts';
import { busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const BLOCKS = 200;
const ALL = { from: 1, to: BLOCKS, strict: false, watch: WATCH };
const withTimestamp = (log: object, { timestamp }: ChainBlock) => ({ ...log, blockTimestamp: toQuantity(timestamp) });

/** Serves a chain with a log in every block by a node that alters logs, and opens a source of it. */
async function serve(alterLog: (log: object, block: ChainBlock) => object) {
  const chain = busyChain(BLOCKS);
  const server = await fixture.serve(chain);
  server.view.alterLog = alterLog;
  return { chain, server, source: fixture.open([server.url]) };
}

/** Expects every log of the chain, each with a header or the right timestamp. */
function expectAllLogs({ headers, logs }: VerifiedRange, chain: Chain): void {
  const read = new Map(headers.map(({ number, timestamp }) => [number, timestamp]));
  const found = logs.map((log) => [log.blockHash, read.get(log.blockNumber) ?? log.blockTimestamp]);
  expect(found).toEqual(chain.blocks.slice(1).map(({ hash, timestamp }) => [hash, timestamp]));
}

test('where logs name the timestamps of their blocks, a few headers are read whatever the number of blocks with logs', async () => {
  const { chain, server, source } = await serve(withTimestamp);
  expectAllLogs(await source.fetchRange(ALL), chain);
  expect(server.count('eth_getBlockByNumber')).toBeLessThanOrEqual(6);
});

test.each<[string, (log: object, block: ChainBlock) => object]>([
  ['are missing', (log) => log],
  ['are missing in one log', (log, block) => (block.number === 77 ? log : withTimestamp(log, block))],
  ['are null', (log) => ({ ...log, blockTimestamp: null })],
  ['are zero', (log) => ({ ...log, blockTimestamp: '0x0' })],
  ['are decimal', (log, { timestamp }) => ({ ...log, blockTimestamp: String(timestamp) })],
  ['are no text', (log, { timestamp }) => ({ ...log, blockTimestamp: timestamp })],
  ['count milliseconds', (log, { timestamp }) => ({ ...log, blockTimestamp: toQuantity(timestamp * 1_000_000) })],
  ['fall', (log, block) => ({ ...log, blockTimestamp: toQuantity(block.timestamp - (block.number === 77 ? 100 : 0)) })],
  [
    'are later than the end',
    (log, block) => ({ ...log, blockTimestamp: toQuantity(block.timestamp + 100 * block.number) }),
  ],
])('where the timestamps of logs %s, the header of every block with logs is read', async (_, alterLog) => {
  const { chain, server, source } = await serve(alterLog);
  expectAllLogs(await source.fetchRange(ALL), chain);
  expect(server.count('eth_getBlockByNumber')).toBe(BLOCKS);
});

test('an endpoint whose logs name another timestamp than a header is not believed again', async () => {
  const { chain, server, source } = await serve((log, { timestamp }) => ({
    ...log,
    blockTimestamp: toQuantity(timestamp + 1),
  }));
  expectAllLogs(await source.fetchRange(ALL), chain);
  server.view.alterLog = withTimestamp;
  expectAllLogs(await source.fetchRange(ALL), chain);
  expect(server.count('eth_getBlockByNumber')).toBe(2 * BLOCKS);
  expect(fixture.notices.map(({ detail }) => detail)).toEqual([expect.stringMatching(/another timestamp or hash/)]);
});

test('logs of another block than the header are replaced by those of receipts', async () => {
  const other = `0x${'f0'.repeat(32)}`;
  const { chain, source } = await serve((log, block) => ({
    ...withTimestamp(log, block),
    ...(block.number > 50 && { blockHash: other }),
  }));
  expectAllLogs(await source.fetchRange(ALL), chain);
});

test('where a receipt contradicts the block that a log names, the headers of all blocks with logs are read', async () => {
  const dividend = contractOf('dividend', 7);
  const claim = encodeEvent(getAbiItem({ abi: dividendV1, name: 'DividendClaimed' }), {
    holder: addressOf(1),
    tokenId: 1n,
    amount: 5n,
  });
  const chain = new Chain();
  for (let number = 1; number <= BLOCKS; number++) chain.append({ logs: [{ address: dividend.address, ...claim }] });
  const server = await fixture.serve(chain);
  let lies = 0;
  server.view.alterLog = (log, block) => {
    const named = withTimestamp(log, block);
    if (block.number !== 77) return named;
    lies++;
    return { ...named, blockHash: `0x${'f0'.repeat(32)}` };
  };
  // With this `random`, the samples contain only the first block.
  const source = fixture.open([server.url], {}, { random: () => 0 });
  const request = { from: 1, to: BLOCKS, strict: false };
  const { range, batch } = await fetchBatch(source, contractIndex([dividend]), request, new AbortController().signal);
  expect(lies).toBe(2);
  expect(range.headers.find(({ number }) => number === 77)?.hash).toBe(chain.blocks[77]?.hash);
  expect(factCount(batch)).toBe(2 * BLOCKS);
});
