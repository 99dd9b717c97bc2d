import { describe, expect, onTestFinished, test } from 'vitest';
import { createSource } from '../../indexer/source/source.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyChain, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const BLOCKS = 200;
const PRUNED_BELOW = 150;

type Json = Record<string, unknown>;

/** Deletes the receipts below a block, as nodes do that keep all headers: they answer `[]` for the logs. */
function deleteReceipts(server: ChainServer): void {
  const isKept = (one: unknown) => Number((one as Json).blockNumber) >= PRUNED_BELOW;
  server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (logs) => (logs as unknown[]).filter(isKept) },
  });
  server.misbehave({
    methods: ['eth_getBlockReceipts'],
    do: { kind: 'result', result: (receipts) => ((receipts as unknown[]).every(isKept) ? receipts : null) },
  });
  server.misbehave({
    methods: ['eth_getTransactionReceipt'],
    do: { kind: 'result', result: (receipt) => (isKept(receipt) ? receipt : null) },
  });
}

describe('an endpoint that deleted its receipts and answers []', () => {
  test('counts as pruned, and serves what it still has', async () => {
    const chain = busyChain(BLOCKS);
    const server = await fixture.serve(chain);
    deleteReceipts(server);
    const source = fixture.open([server.url]);
    const reading = source.fetchRange({ from: 1, to: BLOCKS, strict: false, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ kind: 'pruned' });
    expect(server.count('eth_getLogs')).toBe(0);
    const kept = await source.fetchRange({ from: PRUNED_BELOW, to: BLOCKS, strict: false, watch: WATCH });
    expect(kept.logs.length).toBe(BLOCKS - PRUNED_BELOW + 1);
  });

  test('is passed over for another endpoint', async () => {
    const chain = busyChain(BLOCKS);
    const [pruned, archive] = [await fixture.serve(chain), await fixture.serve(chain)];
    deleteReceipts(pruned);
    const source = fixture.open([pruned.url, archive.url]);
    const range = await source.fetchRange({ from: 1, to: BLOCKS, strict: false, watch: WATCH });
    expect(range.logs.length).toBe(BLOCKS);
  });
});

test('of an answer that leaves blocks out, a sampled header whose bloom calls for a log makes the range be read in full', async () => {
  const chain = busyChain(BLOCKS);
  const server = await fixture.serve(chain);
  const hidden = [40, 41, 42, 90, 100, 101];
  server.view.hiddenLogs = new Set(hidden);
  const rpcUrls = [server.url];
  // With this `random`, all four sampled blocks are block 100.
  const source = createSource({ chainId: chain.chainId, rpcUrls }, { random: () => 0.5 });
  onTestFinished(() => source.close());
  const range = await source.fetchRange({ from: 1, to: BLOCKS, strict: false, watch: WATCH });
  expect(range.logs.map(({ blockNumber }) => blockNumber)).toEqual(chain.logs().map(({ blockNumber }) => blockNumber));
  expect(server.count('eth_getBlockReceipts')).toBeGreaterThanOrEqual(hidden.length);
});
