import { describe, expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { RpcInconsistency } from '../../indexer/kernel/errors.ts';
import { ADDRESSES_MAX } from '../../indexer/rpc/filter-limit.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { ADDRESS, busyChain, log, OTHER_ADDRESS, sourceFixture, TOPIC, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const anyHash: Hex = `0x${'dd'.repeat(32)}`;

type Json = Record<string, unknown>;
const changeLogs = (change: (logs: Json[]) => unknown) => ({
  methods: ['eth_getLogs'],
  do: { kind: 'result' as const, result: (honest: unknown) => change(structuredClone(honest) as Json[]) },
});

describe.each([true, false])('a range, strict: %s', (strict) => {
  test('returns all logs with their headers', async () => {
    const chain = busyChain(150);
    const server = await fixture.serve(chain);
    const range = await fixture.open([server.url]).fetchRange({ from: 5, to: 140, strict, watch: WATCH });
    expect(range).toMatchObject({ chainId: 31_337, from: 5, to: 140 });
    expect(range.headers.map((header) => header.hash)).toEqual(chain.blocks.slice(5, 141).map((block) => block.hash));
    expect(range.logs).toEqual(chain.logs(5, 140).map(({ transactionIndex: _, ...rest }) => ({ ...rest })));
  });

  test('requests no logs when no address is watched', async () => {
    const server = await fixture.serve(busyChain(10));
    const source = fixture.open([server.url]);
    const range = await source.fetchRange({ from: 2, to: 9, strict, watch: { addresses: [], topics: [TOPIC] } });
    expect(range.logs).toEqual([]);
    expect(range.headers.map((header) => header.number)).toEqual(strict ? [2, 3, 4, 5, 6, 7, 8, 9] : [2, 9]);
    expect(server.count('eth_getLogs')).toBe(0);
  });

  test('reads a single block', async () => {
    const chain = busyChain(3);
    const server = await fixture.serve(chain);
    const range = await fixture.open([server.url]).fetchRange({ from: 2, to: 2, strict, watch: WATCH });
    expect([range.headers.length, range.logs.length]).toEqual([1, 1]);
  });

  test('asks by topic and filters the answer when there are more addresses than a request may hold', async () => {
    const chain = new Chain();
    chain.append({ logs: [log(), log({ address: OTHER_ADDRESS }), log()] });
    const server = await fixture.serve(chain);
    const many = Array.from({ length: ADDRESSES_MAX }, (_, index): Hex => `0x${index.toString(16).padStart(40, '0')}`);
    const watch = { addresses: [ADDRESS, ...many], topics: [TOPIC] };
    const range = await fixture.open([server.url]).fetchRange({ from: 1, to: 1, strict, watch });
    expect(range.logs.map((one) => one.logIndex)).toEqual([0, 2]);
  });
});

describe.each([true, false])('contradictions in a range, strict: %s', (strict) => {
  test.each<[string, (logs: Json[]) => unknown]>([
    ['outside the range', (logs) => logs.map((one) => ({ ...one, blockNumber: '0x1' }))],
    ['of another block hash', (logs) => logs.map((one) => ({ ...one, blockHash: anyHash }))],
    ['that were removed', (logs) => logs.map((one) => ({ ...one, removed: true }))],
    ['of another address', (logs) => logs.map((one) => ({ ...one, address: OTHER_ADDRESS }))],
    ['of another topic', (logs) => logs.map((one) => ({ ...one, topics: [anyHash] }))],
    ['with a log index of 2³²', (logs) => logs.map((one) => ({ ...one, logIndex: '0x100000000' }))],
    ['with a number that is none', (logs) => logs.map((one) => ({ ...one, logIndex: '0xffffffffffffffffff' }))],
    ['with data that is none', (logs) => logs.map((one) => ({ ...one, data: '0x123' }))],
    ['as null', () => null],
    ['as an object', () => ({})],
  ])(
    'logs %s are not believed: the receipts decide, and where they are no better the block is refused',
    async (_, change) => {
      const chain = busyChain(6);
      const server = await fixture.serve(chain);
      server.misbehave(changeLogs(change));
      const source = fixture.open([server.url]);
      const { logs } = await source.fetchRange({ from: 4, to: 4, strict, watch: WATCH });
      expect(logs.map(({ blockNumber, logIndex }) => [blockNumber, logIndex])).toEqual([[4, 0]]);
      server.misbehave({
        methods: ['eth_getBlockReceipts'],
        do: { kind: 'result', result: () => [{ blockHash: anyHash }] },
      });
      server.misbehave({ methods: ['eth_getTransactionReceipt'], do: { kind: 'result', result: () => ({}) } });
      const reading = source.fetchRange({ from: 4, to: 4, strict, watch: WATCH });
      await expect(reading).rejects.toBeInstanceOf(RpcInconsistency);
    },
  );

  test('an inconsistent answer is requested again, and a consistent one is accepted', async () => {
    const server = await fixture.serve(busyChain(6));
    server.misbehave({ ...changeLogs(() => null), times: 1 });
    const range = await fixture.open([server.url]).fetchRange({ from: 4, to: 4, strict, watch: WATCH });
    expect(range.logs.length).toBe(1);
    expect(fixture.notices.map((notice) => notice.event)).toContain('inconsistent response');
  });

  test('a log index just below 2³² is accepted', async () => {
    const chain = new Chain();
    chain.append({ logs: [log({ logIndex: 0xffffffe2 })] });
    const server = await fixture.serve(chain);
    const range = await fixture.open([server.url]).fetchRange({ from: 1, to: 1, strict, watch: WATCH });
    expect(range.logs[0]?.logIndex).toBe(0xffffffe2);
  });
});

describe.each([true, false])('incomplete answers for a range, strict: %s', (strict) => {
  test('logs that the bloom shows and the answer lacks are read from the receipts', async () => {
    const server = await fixture.serve(busyChain(6));
    server.view.hiddenLogs = new Set([4]);
    const range = await fixture.open([server.url]).fetchRange({ from: 4, to: 4, strict, watch: WATCH });
    expect(range.logs.length).toBe(1);
  });

  test('logs that the bloom shows and every answer lacks are an inconsistency', async () => {
    const server = await fixture.serve(busyChain(6));
    server.view.hiddenLogs = true;
    server.view.hiddenReceipts = true;
    const reading = fixture.open([server.url]).fetchRange({ from: 4, to: 4, strict, watch: WATCH });
    await expect(reading).rejects.toBeInstanceOf(RpcInconsistency);
  });

  test('a bloom that matches an address with another topic does not stop the range', async () => {
    const chain = new Chain();
    chain.append({ logs: [log({ topics: [anyHash] }), log({ address: OTHER_ADDRESS })] });
    const server = await fixture.serve(chain);
    const range = await fixture.open([server.url]).fetchRange({ from: 1, to: 1, strict, watch: WATCH });
    expect(range.logs).toEqual([]);
  });

  test('a bloom of zeros is not evidence against logs', async () => {
    const server = await fixture.serve(busyChain(6));
    server.view.zeroBlooms = true;
    const range = await fixture.open([server.url]).fetchRange({ from: 1, to: 6, strict, watch: WATCH });
    expect(range.logs.length).toBe(6);
  });

  test.each([true, false])(
    'a block refused for its logs is read from its receipts (eth_getBlockReceipts: %s)',
    async (served) => {
      const chain = new Chain();
      chain.append({
        logs: [log(), log({ address: OTHER_ADDRESS }), log({ transaction: 7 }), log({ transaction: 7 })],
      });
      const server = await fixture.serve(chain);
      server.view.noBlockReceipts = !served;
      server.view.cap = () => {
        throw new RpcFault(-32000, 'query returns too many logs, narrow your filter: 2');
      };
      const source = fixture.open([server.url]);
      const range = await source.fetchRange({ from: 1, to: 1, strict, watch: WATCH });
      expect(range.logs.map((one) => one.logIndex)).toEqual([0, 2, 3]);
      // Below finalized the endpoint is asked once whether it still has the receipts of so old a block.
      const probes = strict ? 0 : 1;
      expect([server.count('eth_getLogs'), server.count('eth_getBlockReceipts')]).toEqual([1, served ? 1 + probes : 1]);
      await source.fetchRange({ from: 1, to: 1, strict, watch: WATCH });
      expect(server.count('eth_getBlockReceipts')).toBe(served ? 2 + probes : 1);
    },
  );

  test('a node that does not have the end of the range is not trusted', async () => {
    const server = await fixture.serve(busyChain(20));
    server.view.lag = 3;
    const reading = fixture.open([server.url]).fetchRange({ from: 10, to: 20, strict, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ name: 'RpcError', kind: 'unknown-block' });
  });

  test('a node whose tip differs from the one that the caller saw is skipped', async () => {
    const chain = busyChain(20);
    const fork = chain.fork(18);
    fork.append({ logs: [log()] }, { logs: [log()] });
    const [forked, canonical] = [await fixture.serve(fork), await fixture.serve(chain)];
    const tip = { number: 20, hash: chain.head.hash };
    const source = fixture.open([forked.url, canonical.url]);
    const range = await source.fetchRange({ from: 15, to: 20, strict, watch: WATCH, tip });
    expect(range.headers.at(-1)?.hash).toBe(chain.head.hash);
  });
});

describe('above finalized', () => {
  test('logs are requested by block hash', async () => {
    const server = await fixture.serve(busyChain(5));
    const filters: unknown[] = [];
    server.misbehave({
      methods: ['eth_getLogs'],
      do: {
        kind: 'result',
        result(honest, [filter]) {
          filters.push(filter);
          return honest;
        },
      },
    });
    await fixture.open([server.url]).fetchRange({ from: 1, to: 5, strict: true, watch: WATCH });
    expect(filters.every((filter) => (filter as Json).blockHash !== undefined)).toBe(true);
  });

  test('a range that does not follow its anchor is an inconsistency, without a retry', async () => {
    const chain = busyChain(5);
    const server = await fixture.serve(chain);
    const source = fixture.open([server.url]);
    const anchor = { number: 2, hash: chain.block(2)!.hash };
    await source.fetchRange({ from: 3, to: 5, strict: true, watch: WATCH, anchor });
    const before = server.arrivals.length;
    const reading = source.fetchRange({
      from: 3,
      to: 5,
      strict: true,
      watch: WATCH,
      anchor: { number: 2, hash: anyHash },
    });
    await expect(reading).rejects.toBeInstanceOf(RpcInconsistency);
    expect(server.arrivals.length - before).toBe(3);
  });

  test('headers that do not link are an inconsistency', async () => {
    const server = await fixture.serve(busyChain(5));
    server.misbehave({
      methods: ['eth_getBlockByNumber'],
      do: { kind: 'result', result: (block) => ({ ...(block as Json), parentHash: anyHash }) },
    });
    const reading = fixture.open([server.url]).fetchRange({ from: 3, to: 5, strict: true, watch: WATCH });
    await expect(reading).rejects.toBeInstanceOf(RpcInconsistency);
  });

  test('asks by number and compares hashes when the node does not support blockHash filters', async () => {
    const chain = busyChain(30);
    const server = await fixture.serve(chain);
    server.view.noBlockHashFilter = true;
    const source = fixture.open([server.url]);
    const range = await source.fetchRange({ from: 1, to: 30, strict: true, watch: WATCH });
    expect(range.logs.length).toBe(30);
    await source.fetchRange({ from: 1, to: 1, strict: true, watch: WATCH });
    server.misbehave(changeLogs((logs) => logs.map((one) => ({ ...one, blockHash: anyHash }))));
    const { logs } = await source.fetchRange({ from: 1, to: 1, strict: true, watch: WATCH });
    expect(logs.map(({ blockHash }) => blockHash)).toEqual([chain.block(1)?.hash]);
    expect(server.count('eth_getBlockReceipts')).toBe(1);
  });

  test('an empty answer for a block that is reorganised away meanwhile is not trusted', async () => {
    const chain = busyChain(5);
    const server = await fixture.serve(chain);
    Object.assign(server.view, { emptyForUnknownHash: true, zeroBlooms: true });
    let reorganised = false;
    server.misbehave({
      methods: ['eth_getLogs'],
      do: {
        kind: 'result',
        result() {
          if (!reorganised) chain.reorg(2, [{ logs: [log()] }, { logs: [log()] }]);
          reorganised = true;
          return [];
        },
      },
      times: 1,
    });
    const reading = fixture.open([server.url]).fetchRange({ from: 5, to: 5, strict: true, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ kind: 'unknown-block' });
  });

  test('an unknown block hash means a possible fork and does not count as a failure of the node', async () => {
    const server = await fixture.serve(busyChain(5));
    server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'error', code: -32000, message: 'unknown block' } });
    const source = fixture.open([server.url]);
    const reading = source.fetchRange({ from: 5, to: 5, strict: true, watch: WATCH });
    await expect(reading).rejects.toMatchObject({ kind: 'unknown-block' });
    expect(server.count('eth_getLogs')).toBe(1);
    expect(fixture.notices.map((notice) => notice.event)).not.toContain('endpoint failed');
  });
});
