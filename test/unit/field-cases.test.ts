import { describe, expect, test } from 'vitest';
import type { Hex, RawLog } from '../../indexer/kernel/chain.ts';
import type { RangeRequest, Source } from '../../indexer/source/source.ts';
import { Chain } from '../kit/chain.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { log, sourceFixture, WATCH } from '../kit/source-fixture.ts';

// Situations that users of other indexers reported. The tests `odd-answers` and `odd-heads` contain further ones.

const fixture = sourceFixture();
const PATHS = [
  { path: 'the head', strict: true },
  { path: 'history', strict: false },
];

type Json = Record<string, unknown>;

/** Reads a range to its end, in as many parts as the source returns. */
async function read(source: Source, from: number, to: number, more: Partial<RangeRequest> = {}): Promise<RawLog[]> {
  const logs: RawLog[] = [];
  for (let next = from; next <= to; ) {
    const range = await source.fetchRange({ from: next, to, strict: false, watch: WATCH, ...more });
    logs.push(...range.logs);
    next = range.to + 1;
  }
  return logs;
}

const placeOf = ({ blockNumber, logIndex, blockHash, transactionHash }: RawLog) =>
  [blockNumber, logIndex, blockHash, transactionHash].join(' ');
const places = (logs: readonly RawLog[]) => logs.map(placeOf);

/** Changes the answers of a node to `eth_getLogs`. */
function changeLogs(server: ChainServer, change: (logs: Json[], params: readonly unknown[]) => unknown): void {
  server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (honest, params) => change(structuredClone(honest) as Json[], params) },
  });
}

describe('a node that deleted the receipts below 1500 and keeps the headers, and answers [] for their logs', () => {
  const PRUNED_BELOW = 1_500;
  const chain = new Chain();
  for (let number = 1; number <= 2_000; number++) chain.append(number % 100 === 50 ? { logs: [log()] } : {});
  const old = new Set(chain.blocks.slice(0, PRUNED_BELOW).flatMap(({ transactions }) => transactions));

  /** Starts the node. `bulk` is its answer to `eth_getBlockReceipts` for an old block. */
  async function prunedNode(bulk: 'null' | 'an error' | 'no such method'): Promise<ChainServer> {
    const server = await fixture.serve(chain);
    changeLogs(server, (logs) => logs.filter(({ blockNumber }) => Number(blockNumber) >= PRUNED_BELOW));
    const isOld = ([block]: readonly unknown[]) => typeof block === 'string' && Number(block) < PRUNED_BELOW;
    if (bulk === 'no such method') server.view.noBlockReceipts = true;
    else
      server.misbehave({
        methods: ['eth_getBlockReceipts'],
        when: isOld,
        do:
          bulk === 'null'
            ? { kind: 'result', result: () => null }
            : { kind: 'error', code: -32000, message: 'failed to load the receipts of the block' },
      });
    server.misbehave({
      methods: ['eth_getTransactionReceipt'],
      when: ([hash]) => old.has(hash as Hex),
      do: { kind: 'result', result: () => null },
    });
    return server;
  }

  test('counts as pruned there, and serves the blocks above', async () => {
    const source = fixture.open([(await prunedNode('null')).url]);
    for (const from of [0, 1, 50, 1_499]) {
      await expect(read(source, from, 2_000)).rejects.toMatchObject({ kind: 'pruned' });
    }
    expect(places(await read(source, PRUNED_BELOW, 2_000))).toEqual(places(chain.logs(PRUNED_BELOW)));
  });

  test.each(['an error', 'no such method'] as const)(
    'loses nothing in silence either if it answers a request for old receipts with %s: read in full, it counts as pruned',
    async (bulk) => {
      const source = fixture.open([(await prunedNode(bulk)).url]);
      await expect(read(source, 1, 2_000, { inFull: 'blooms' })).rejects.toMatchObject({ kind: 'pruned' });
    },
  );

  test('is replaced by another endpoint', async () => {
    const [pruned, archive] = [await prunedNode('null'), await fixture.serve(chain)];
    const source = fixture.open([pruned.url, archive.url]);
    expect(places(await read(source, 1, 2_000))).toEqual(places(chain.logs()));
  });
});

describe('a node with holes in its index of logs', () => {
  test('that answers [] for blocks 100 to 110, although the bloom of 105 calls for a log: reading in full finds it', async () => {
    const chain = new Chain();
    for (let number = 1; number <= 200; number++) chain.append(number === 105 ? { logs: [log()] } : {});
    const server = await fixture.serve(chain);
    server.view.hiddenLogs = new Set([105]);
    const source = fixture.open([server.url]);
    expect(places(await read(source, 100, 110, { inFull: 'blooms' }))).toEqual(places(chain.logs()));
    // The head is always read in full.
    expect(places(await read(source, 100, 110, { strict: true }))).toEqual(places(chain.logs()));
  });

  test('that leaves out the middle one of three logs everywhere: reading the receipts finds it', async () => {
    const chain = new Chain();
    for (let number = 1; number <= 40; number++) chain.append({ logs: [log(), log(), log()] });
    const server = await fixture.serve(chain);
    changeLogs(server, (logs) => logs.filter(({ logIndex }) => Number(logIndex) !== 1));
    const source = fixture.open([server.url]);
    expect(places(await read(source, 1, 40, { inFull: 'receipts' }))).toEqual(places(chain.logs()));
  });
});

test('a head whose bloom is too full to be compared is not taken for one that was', async () => {
  const chain = new Chain();
  const others = Array.from({ length: 400 }, (_, at) => log({ address: `0x${at.toString(16).padStart(40, '0')}` }));
  chain.append({ logs: [log()] });
  chain.append({ logs: [log(), ...others] });
  const server = await fixture.serve(chain);
  server.view.hiddenLogs = new Set([2]);
  const source = fixture.open([server.url]);
  const head = (from: number, to: number, more: Partial<RangeRequest> = {}) =>
    source.fetchRange({ from, to, strict: true, watch: WATCH, ...more });
  expect((await head(1, 1)).inFull).toBe(true);
  expect(await head(1, 2)).toMatchObject({ inFull: false, logs: [{ blockNumber: 1 }] });
  const full = await head(1, 2, { inFull: 'blooms' });
  expect(full).toMatchObject({ inFull: true, logs: [{ blockNumber: 1 }, { blockNumber: 2 }] });
});

test.each(PATHS)(
  'where blooms are zeros, an answer with some logs of a block may lack others ($path)',
  async ({ strict }) => {
    const chain = new Chain();
    for (let number = 1; number <= 40; number++) chain.append({ logs: [log(), log(), log()] });
    const server = await fixture.serve(chain);
    server.view.zeroBlooms = true;
    changeLogs(server, (logs) => logs.filter(({ logIndex }) => Number(logIndex) !== 1));
    const source = fixture.open([server.url]);
    const inFull = strict ? undefined : 'blooms';
    expect(places(await read(source, 1, 40, { strict, inFull }))).toEqual(places(chain.logs()));
  },
);

test.each([10, 100, 256, 1_000].flatMap((cap) => PATHS.map((path) => ({ cap, ...path }))))(
  'an answer that stops after $cap logs without an error is asked on ($path)',
  async ({ cap, strict }) => {
    const chain = new Chain();
    const perBlock = strict ? cap + 3 : Math.ceil(cap / 8);
    for (let number = 1; number <= (strict ? 2 : 40); number++) {
      chain.append({ logs: Array.from({ length: perBlock }, () => log({ transaction: 1 })) });
    }
    const server = await fixture.serve(chain);
    changeLogs(server, (logs) => logs.slice(0, cap));
    const source = fixture.open([server.url]);
    expect(places(await read(source, 1, chain.head.number, { strict }))).toEqual(places(chain.logs()));
  },
);

describe('blooms of zeros, and a backend that answers [] for the hash of a block that it does not have', () => {
  test.each([0, 2])(
    'the header has a transaction: its receipts decide (null for the first %i requests)',
    async (nulls) => {
      const chain = new Chain();
      chain.append({}, { logs: [log()] }, {}, { logs: [log(), log()] });
      const server = await fixture.serve(chain);
      server.view.zeroBlooms = true;
      changeLogs(server, () => []);
      for (const methods of [['eth_getBlockReceipts'], ['eth_getTransactionReceipt']]) {
        if (nulls > 0) server.misbehave({ methods, times: nulls, do: { kind: 'result', result: () => null } });
      }
      const source = fixture.open([server.url]);
      const attempt = () => read(source, 1, 4, { strict: true });
      // A missing receipt may mean that its block was reorganised, so the follower reads the head again and retries.
      for (let time = 0; time < nulls; time++) await attempt().catch(() => undefined);
      expect(places(await attempt())).toEqual(places(chain.logs()));
    },
  );
});

test.each(PATHS)(
  'logs with gaps between their indexes are sorted: (104,3), (104,1), (102,0) ($path)',
  async ({ strict }) => {
    const chain = new Chain();
    chain.mine(101);
    chain.append({ logs: [log({ logIndex: 0 })] }, {}, { logs: [log({ logIndex: 1 }), log({ logIndex: 3 })] });
    const server = await fixture.serve(chain);
    changeLogs(server, (logs) => logs.toReversed());
    const source = fixture.open([server.url]);
    const logs = await read(source, 90, 104, { strict });
    expect(logs.map(({ blockNumber, logIndex }) => [blockNumber, logIndex])).toEqual([
      [102, 0],
      [104, 1],
      [104, 3],
    ]);
  },
);

describe('timestamps that do not count seconds', () => {
  const UNITS = [
    { unit: 'milliseconds', factor: 1_000n },
    { unit: 'microseconds', factor: 1_000_000n },
    { unit: 'nanoseconds', factor: 1_000_000_000n },
  ];

  async function nodeThatCounts(chain: Chain, factor: bigint): Promise<ChainServer> {
    const server = await fixture.serve(chain);
    const result = (honest: unknown) => {
      const block = honest as Json | null;
      return block && { ...block, timestamp: `0x${(BigInt(block.timestamp as Hex) * factor).toString(16)}` };
    };
    server.misbehave({ methods: ['eth_getBlockByNumber', 'eth_getBlockByHash'], do: { kind: 'result', result } });
    return server;
  }

  function someChain(): Chain {
    const chain = new Chain({ blockTimeSeconds: 1 });
    for (let number = 1; number <= 20; number++) chain.append({ logs: [log()] });
    return chain;
  }

  test.each(UNITS)('$unit are refused in one sentence, wherever a header is read', async ({ unit, factor }) => {
    const chain = someChain();
    const server = await nodeThatCounts(chain, factor);
    const source = fixture.open([server.url]);
    const refusal = (block: number) => ({
      name: 'ConfigError',
      message: expect.stringMatching(
        new RegExp(
          `^RPC_URL_31337: gives block ${block} the timestamp ${
            BigInt(chain.block(block)?.timestamp ?? 0) * factor
          }, which counts ${unit}; use an endpoint that counts seconds$`,
        ),
      ),
    });
    await expect(source.head()).rejects.toMatchObject(refusal(20));
    await expect(source.header(7)).rejects.toMatchObject(refusal(7));
    await expect(read(source, 5, 5)).rejects.toMatchObject(refusal(5));
    await expect(read(source, 5, 5, { strict: true })).rejects.toMatchObject(refusal(5));
    const requests = server.requests;
    await expect(source.head()).rejects.toThrow(unit);
    // The source sends one request and does not repeat it.
    expect(server.requests).toBe(requests + 1);
  });

  test.each(UNITS)(
    '$unit of one endpoint: another one is used, and preferred from then on',
    async ({ unit, factor }) => {
      const chain = someChain();
      const [ill, healthy] = [await nodeThatCounts(chain, factor), await fixture.serve(chain)];
      const source = fixture.open([ill.url, healthy.url]);
      expect((await source.head()).timestamp).toBe(chain.head.timestamp);
      const headers = ill.count('eth_getBlockByNumber');
      for (const strict of [true, false])
        expect(places(await read(source, 1, 20, { strict }))).toEqual(places(chain.logs()));
      // The refused endpoint serves no more headers. It is still asked for logs, as the second endpoint of a range.
      expect(ill.count('eth_getBlockByNumber')).toBe(headers);
      expect(fixture.notices.filter(({ event }) => event === 'endpoint refused')).toMatchObject([
        { detail: expect.stringContaining(`counts ${unit}`) },
      ]);
    },
  );

  test.each(PATHS)('in logs change nothing, because the header counts ($path)', async ({ strict }) => {
    const chain = someChain();
    const server = await fixture.serve(chain);
    changeLogs(server, (logs) =>
      logs.map((one) => ({ ...one, blockTimestamp: `0x${(1_700_000_000_000_000_000n).toString(16)}` })),
    );
    const source = fixture.open([server.url]);
    const { logs, headers } = await source.fetchRange({ from: 1, to: 20, strict, watch: WATCH });
    expect(places(logs)).toEqual(places(chain.logs()));
    expect(headers.map(({ timestamp }) => timestamp)).toEqual(chain.blocks.slice(1).map(({ timestamp }) => timestamp));
  });
});
