import { describe, expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../../indexer/kernel/errors.ts';
import { SAMPLE_HEADERS } from '../../indexer/source/headers-of-part.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { busyChain, log, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const anyHash: Hex = `0x${'dd'.repeat(32)}`;

type Json = Record<string, unknown>;

describe('below finalized', () => {
  test('reads the headers of both ends, of blocks with logs and of a small sample only', async () => {
    const chain = new Chain();
    chain.mine(49);
    chain.append({ logs: [log()] });
    chain.mine(50);
    const server = await fixture.serve(chain);
    const range = await fixture.open([server.url]).fetchRange({ from: 10, to: 90, strict: false, watch: WATCH });
    const read = range.headers.map((header) => header.number);
    expect(read).toEqual(expect.arrayContaining([10, 50, 90]));
    expect(read.length).toBeLessThanOrEqual(3 + SAMPLE_HEADERS);
  });

  test('ends early once it holds as many logs as the caller asked for', async () => {
    const server = await fixture.serve(busyChain(100));
    const source = fixture.open([server.url], { initialRangeBlocks: 10 });
    const range = await source.fetchRange({ from: 1, to: 100, strict: false, watch: WATCH, maxLogs: 25 });
    expect([range.from, range.to, range.logs.length]).toEqual([1, 30, 30]);
  });

  test('parts read from endpoints on different forks are an inconsistency', async () => {
    const chain = busyChain(100);
    const fork = chain.fork(40);
    for (let number = 41; number <= 100; number++) fork.append({ logs: [log()] });
    const [first, second] = [await fixture.serve(chain), await fixture.serve(fork)];
    let answers = 0;
    first.view.cap = () => {
      if (answers++ > 0) throw new RpcFault(4444, 'pruned history unavailable');
    };
    const source = fixture.open([first.url, second.url], { initialRangeBlocks: 45 });
    const reading = source.fetchRange({ from: 1, to: 100, strict: false, watch: WATCH });
    await expect(reading).rejects.toBeInstanceOf(RpcInconsistency);
  });

  test('pruned history is an error, never an empty range', async () => {
    const server = await fixture.serve(busyChain(20));
    server.view.prunedBelow = 10;
    const source = fixture.open([server.url]);
    const error = await source
      .fetchRange({ from: 1, to: 20, strict: false, watch: WATCH })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ kind: 'pruned', retryable: false });
    expect(server.count('eth_getLogs')).toBe(1);
  });

  test.each<[string, (receipts: Json[]) => unknown]>([
    ['of another block', (receipts) => receipts.map((one) => ({ ...one, blockHash: anyHash }))],
    ['that are too few', (receipts) => receipts.slice(1)],
    ['as null', () => null],
    ['as an object', () => ({})],
  ])('receipts %s are not believed; if single receipts are no better, the block is refused', async (what, change) => {
    const isOfAnotherBlock = what === 'of another block';
    const chain = new Chain();
    chain.append({ logs: [log(), log()] });
    const server = await fixture.serve(chain);
    server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'http', status: 413 } });
    server.misbehave({
      methods: ['eth_getBlockReceipts'],
      do: { kind: 'result', result: (honest) => change(structuredClone(honest) as Json[]) },
    });
    const source = fixture.open([server.url]);
    const honest = source.fetchRange({ from: 1, to: 1, strict: false, watch: WATCH });
    if (isOfAnotherBlock) {
      await expect(honest).rejects.toMatchObject({ retryable: true });
      return;
    }
    expect((await honest).logs.length).toBe(2);
    server.misbehave({ methods: ['eth_getTransactionReceipt'], do: { kind: 'result', result: () => ({}) } });
    const reading = source.fetchRange({ from: 1, to: 1, strict: false, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ retryable: true });
  });
});
