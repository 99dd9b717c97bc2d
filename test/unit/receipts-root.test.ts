import { keccak256 } from 'viem';
import { describe, expect, test } from 'vitest';
import type { Hex, VerifiedRange } from '../../indexer/kernel/chain.ts';
import { RpcInconsistency } from '../../indexer/kernel/errors.ts';
import { createBlooms } from '../../indexer/source/bloom.ts';
import { type BlockReceipt, receiptsRootOf } from '../../indexer/source/receipts-root.ts';
import { Chain, type ChainBlock } from '../kit/chain.ts';
import { answer } from '../kit/chain-rpc.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { receiptsRootOf as independentRoot } from '../kit/receipts-root.ts';
import { log, OTHER_ADDRESS, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const EMPTY_BLOOM: Hex = `0x${'0'.repeat(512)}`;

type Json = Record<string, unknown>;
type ReceiptJson = Json & { readonly logs: Json[] };

/**
 * Creates a chain with three logs of one contract, in two transactions, in every second block if `quiet`, and otherwise in every block.
 * The bloom of such a block stays the same without one of the logs.
 */
function threeLogsChain(blocks: number, quiet = true): Chain {
  const chain = new Chain();
  for (let number = 1; number <= blocks; number++) {
    const logs = [log({ transaction: 1 }), log({ transaction: 1 }), log({ transaction: 2 })];
    chain.append({ logs: quiet && number % 2 === 1 ? [log({ address: OTHER_ADDRESS, topics: [] })] : logs });
  }
  return chain;
}

function refuseLogs(server: ChainServer): void {
  server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'error', code: -32005, message: 'limit exceeded' } });
}

/** Hides the second log of every block, or of one, from the receipts. */
function hideMiddle(server: ChainServer, block?: number): void {
  hideLogs(server, (one) => Number(one.logIndex) === 1 && (block === undefined || Number(one.blockNumber) === block));
}

/** Hides logs from the receipts. */
function hideLogs(server: ChainServer, isHidden: (log: Json) => boolean): void {
  const change = (receipt: unknown) => {
    const { logs, ...rest } = receipt as ReceiptJson;
    return { ...rest, logs: logs.filter((one) => !isHidden(one)) };
  };
  server.misbehave({
    methods: ['eth_getBlockReceipts'],
    do: { kind: 'result', result: (honest) => (honest as unknown[]).map(change) },
  });
  server.misbehave({ methods: ['eth_getTransactionReceipt'], do: { kind: 'result', result: change } });
}

function changeRoots(server: ChainServer, rootOf: (block: Json) => unknown): void {
  server.misbehave({
    methods: ['eth_getBlockByNumber', 'eth_getBlockByHash'],
    do: {
      kind: 'result',
      result: (block) => (block === null ? null : { ...(block as Json), receiptsRoot: rootOf(block as Json) }),
    },
  });
}

function receiptsOf(chain: Chain, { hash, logs }: ChainBlock): BlockReceipt[] {
  const receipts = answer({ chain, lag: 0 }, 'eth_getBlockReceipts', [hash]) as Json[];
  return receipts.map((raw, index) => ({ raw, logs: logs.filter((one) => one.transactionIndex === index) }));
}

describe('the root of receipts', () => {
  test.each([0, 1, 2, 16, 17, 127, 128, 129, 300])(
    'of %i transactions is that of another implementation',
    async (many) => {
      const chain = new Chain();
      const logs = Array.from({ length: many }, (_, at) => log({ data: `0x${'ab'.repeat(at)}` }));
      const block = chain.append({ logs });
      expect(await receiptsRootOf(receiptsOf(chain, block), createBlooms())).toBe(independentRoot(block));
    },
  );

  test('of a transaction with thousands of logs is that of another implementation', async () => {
    const chain = new Chain();
    const block = chain.append({ logs: Array.from({ length: 5_000 }, () => log({ transaction: 1 })) });
    expect(await receiptsRootOf(receiptsOf(chain, block), createBlooms())).toBe(independentRoot(block));
  });

  test('of a block of the OP stack is that of its header', async () => {
    // Block 0x112 (0xfc70e073…9ef5) of an OP-stack chain after Canyon, whose only transaction is a deposit with nonce 0x111.
    const raw = {
      ...{ type: '0x7e', status: '0x1', cumulativeGasUsed: '0xb76d', logsBloom: EMPTY_BLOOM },
      ...{ depositNonce: '0x111', depositReceiptVersion: '0x1' },
    };
    const root = '0x8c303881b3e408cc739f55ef3e5133075d552cbec9ee987aff6b71f58cf291ee';
    expect(await receiptsRootOf([{ raw, logs: [] }], createBlooms())).toBe(root);
    expect(await receiptsRootOf([{ raw: { ...raw, depositNonce: '0x112' }, logs: [] }], createBlooms())).not.toBe(root);
  });

  test('is unknown where a receipt lacks what it is made of', async () => {
    const root = (raw: Json) => receiptsRootOf([{ raw, logs: [] }], createBlooms());
    expect(await root({ status: '0x1' })).toBeUndefined();
    expect(await root({ cumulativeGasUsed: '0x1' })).toBeUndefined();
    expect(await root({ root: `0x${'11'.repeat(32)}`, cumulativeGasUsed: '0x1' })).toBeDefined();
  });
});

describe.each([true, false])('receipts that lack a log, strict: %s', (strict) => {
  const read = (servers: readonly ChainServer[], to = 20) =>
    fixture.open(servers.map(({ url }) => url)).fetchRange({ from: 20, to, strict, watch: WATCH });

  test.each([
    { where: 'one block', block: 20, quiet: true },
    { where: 'every block', block: undefined, quiet: true },
    { where: 'every block, all of them with three logs', block: undefined, quiet: false },
  ])('in $where are refused, from the first block on', async ({ block, quiet }) => {
    const server = await fixture.serve(threeLogsChain(40, quiet));
    refuseLogs(server);
    hideMiddle(server, block);
    await expect(read([server])).rejects.toBeInstanceOf(RpcInconsistency);
  });

  test('are read from the other endpoint', async () => {
    const chain = threeLogsChain(40, false);
    const [liar, honest] = [await fixture.serve(chain), await fixture.serve(chain)];
    refuseLogs(liar);
    hideMiddle(liar);
    refuseLogs(honest);
    // Two blocks, because a slow request for a single block is also sent to the other endpoint.
    expect((await read([liar, honest], 21)).logs.map(({ logIndex }) => logIndex)).toEqual([0, 1, 2, 0, 1, 2]);
    const events = fixture.notices.map(({ event }) => event);
    expect(events).toContain('inconsistent response');
    expect(events).not.toContain('receipts unproved');
  });

  test.each<[string, (block: Json) => unknown]>([
    ['that are zeros', () => `0x${'0'.repeat(64)}`],
    ['that are missing', () => undefined],
    ['that are computed in another way', (block) => keccak256(block.hash as Hex)],
  ])('do not stop a chain with roots %s, whose whole receipts are used', async (_, rootOf) => {
    const server = await fixture.serve(threeLogsChain(40));
    refuseLogs(server);
    changeRoots(server, rootOf);
    const source = fixture.open([server.url]);
    for (const from of [20, 22]) {
      const range = await source.fetchRange({ from, to: from, strict, watch: WATCH });
      expect(range.logs.map(({ logIndex }) => logIndex)).toEqual([0, 1, 2]);
    }
    expect(fixture.notices.filter(({ event }) => event === 'receipts unproved')).toHaveLength(1);
  });

  test('do not stop a chain of one block with roots that are zeros', async () => {
    const chain = new Chain();
    chain.append({ logs: [log(), log(), log()] });
    const server = await fixture.serve(chain);
    refuseLogs(server);
    changeRoots(server, () => `0x${'0'.repeat(64)}`);
    const range = await fixture.open([server.url]).fetchRange({ from: 1, to: 1, strict, watch: WATCH });
    expect(range.logs.map(({ logIndex }) => logIndex)).toEqual([0, 1, 2]);
  });

  test('of which a root is left out of one block are refused', async () => {
    const server = await fixture.serve(threeLogsChain(40));
    refuseLogs(server);
    changeRoots(server, ({ number, receiptsRoot }) => (Number(number) === 20 ? undefined : receiptsRoot));
    await expect(read([server])).rejects.toBeInstanceOf(RpcInconsistency);
  });
});

test('receipts of an unknown type are used although their root is another', async () => {
  const server = await fixture.serve(threeLogsChain(40));
  refuseLogs(server);
  const changeType = () =>
    server.misbehave({
      methods: ['eth_getBlockReceipts'],
      do: { kind: 'result', result: (honest) => (honest as Json[]).map((one) => ({ ...one, type: '0x7b' })) },
    });
  changeType();
  const source = fixture.open([server.url]);
  const range = await source.fetchRange({ from: 20, to: 20, strict: true, watch: WATCH });
  expect(range.logs.length).toBe(3);
  expect(fixture.notices.map(({ event }) => event)).toContain('receipts unproved');
});

test('a last receipt that used no gas need not be part of the root', async () => {
  const chain = threeLogsChain(40);
  const server = await fixture.serve(chain);
  refuseLogs(server);
  const transactionHash = `0x${'5a'.repeat(32)}`;
  server.misbehave({
    methods: ['eth_getBlockReceipts'],
    do: {
      kind: 'result',
      result: (honest) => {
        const [first] = honest as [Json];
        const own = { ...first, transactionHash, type: '0x0', gasUsed: '0x0', cumulativeGasUsed: '0x0' };
        return [...(honest as Json[]), { ...own, logs: [] }];
      },
    },
  });
  const source = fixture.open([server.url]);
  const range = await source.fetchRange({ from: 20, to: 20, strict: true, watch: WATCH });
  expect(range.logs.length).toBe(3);
  expect(fixture.notices.map(({ event }) => event)).not.toContain('receipts unproved');
});

describe('receipts without logs that no root proves', () => {
  /** Serves a chain whose headers have wrong receipts roots. The receipts of block 20 have no logs. */
  async function serveEmptyReceipts(): Promise<{
    server: ChainServer;
    read: (number: number) => Promise<VerifiedRange>;
  }> {
    const server = await fixture.serve(threeLogsChain(40));
    changeRoots(server, (block) => keccak256(block.hash as Hex));
    hideLogs(server, ({ blockNumber }) => Number(blockNumber) === 20);
    const source = fixture.open([server.url]);
    const read = (number: number) =>
      source.fetchRange({ from: number, to: number, strict: false, watch: WATCH, inFull: 'receipts' });
    return { server, read };
  }

  test('do not decide against the logs of the same node', async () => {
    const { read } = await serveEmptyReceipts();
    const [proved, unproved] = [await read(22), await read(20)];
    expect([proved.logs.length, proved.unprovedBlocks]).toEqual([3, []]);
    expect([unproved.logs.length, unproved.unprovedBlocks]).toEqual([3, [20]]);
  });

  test('do not decide against the bloom of their block', async () => {
    const { server, read } = await serveEmptyReceipts();
    server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'result', result: () => [] } });
    await expect(read(20)).rejects.toBeInstanceOf(RpcInconsistency);
  });
});

test.each([true, false])('a log of the protocol itself has no receipt, and stays (strict: %s)', async (strict) => {
  const server = await fixture.serve(threeLogsChain(40));
  const ofProtocol = { transactionHash: `0x${'5a'.repeat(32)}`, transactionIndex: '0x2', logIndex: '0x3' };
  const lacksMiddle = (logs: Json[]) => logs.filter(({ logIndex }) => logIndex !== '0x1');
  server.misbehave({
    methods: ['eth_getLogs'],
    do: {
      kind: 'result',
      result: (logs) => lacksMiddle([...(logs as Json[]), { ...(logs as Json[]).at(-1), ...ofProtocol }]),
    },
  });
  server.view.zeroBlooms = true;
  const source = fixture.open([server.url]);
  const range = await source.fetchRange({ from: 20, to: 20, strict, watch: WATCH, inFull: 'receipts' });
  expect(range.logs.map(({ logIndex }) => logIndex)).toEqual([0, 1, 2, 3]);
  expect(range.logs[3]?.transactionHash).toBe(ofProtocol.transactionHash);
});
