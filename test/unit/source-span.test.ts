import { describe, expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { RpcError, RpcInconsistency } from '../../indexer/kernel/errors.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { busyChain, log, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const anyHash: Hex = `0x${'dd'.repeat(32)}`;

type Json = Record<string, unknown>;

describe('below finalized', () => {
  test('reads only the headers of both ends and of blocks with logs', async () => {
    const chain = new Chain();
    chain.mine(49);
    chain.append({ logs: [log()] });
    chain.mine(50);
    const server = await fixture.serve(chain);
    const range = await fixture.open([server.url]).fetchRange({ from: 10, to: 90, strict: false, watch: WATCH });
    expect(range.headers.map((header) => header.number)).toEqual([10, 50, 90]);
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
    const source = fixture.open([first.url, second.url], { initialRangeBlocks: 50 });
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
    ['with one missing', (receipts) => receipts.slice(1)],
    ['returned as null', () => null],
    ['returned as an object', () => ({})],
  ])('receipts %s are not trusted', async (_, change) => {
    const chain = new Chain();
    chain.append({ logs: [log(), log()] });
    const server = await fixture.serve(chain);
    server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'http', status: 413 } });
    server.misbehave({
      methods: ['eth_getBlockReceipts'],
      do: { kind: 'result', result: (honest) => change(structuredClone(honest) as Json[]) },
    });
    const reading = fixture.open([server.url]).fetchRange({ from: 1, to: 1, strict: false, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ retryable: true });
  });
});
