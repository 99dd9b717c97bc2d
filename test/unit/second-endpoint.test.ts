import { keccak256 } from 'viem';
import { describe, expect, test } from 'vitest';
import type { Hex, RawLog } from '../../indexer/kernel/chain.ts';
import type { RangeRequest } from '../../indexer/source/source.ts';
import { Chain } from '../kit/chain.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { log, OTHER_ADDRESS, sourceFixture, WATCH } from '../kit/source-fixture.ts';

const fixture = sourceFixture();
const BLOCKS = 200;
const RANGE_BLOCKS = 10;
const RANGES = BLOCKS / RANGE_BLOCKS;
/** The longest pause before a second endpoint that gave no answer is asked again. */
const PAUSE_MAX_MS = 600_000;

type Json = Record<string, unknown>;

/** Creates a chain with three watched logs in every second block. A block's bloom stays the same without the middle log. */
function threeLogsChain(): Chain {
  const chain = new Chain();
  for (let number = 1; number <= BLOCKS; number++) {
    const logs = [log({ transaction: 1 }), log({ transaction: 1 }), log({ transaction: 2 })];
    chain.append({ logs: number % 2 === 0 ? logs : [log({ address: OTHER_ADDRESS, topics: [] })] });
  }
  return chain;
}

const withoutMiddle = (logs: Json[]) => logs.filter(({ logIndex }) => Number(logIndex) !== 1);

function hideMiddleLogs(server: ChainServer): void {
  server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (logs) => withoutMiddle(logs as Json[]) },
  });
}

function hideMiddleReceipts(server: ChainServer): void {
  const change = (receipt: Json) => ({ ...receipt, logs: withoutMiddle(receipt.logs as Json[]) });
  server.misbehave({
    methods: ['eth_getBlockReceipts'],
    do: { kind: 'result', result: (receipts) => (receipts as Json[]).map(change) },
  });
  server.misbehave({
    methods: ['eth_getTransactionReceipt'],
    do: { kind: 'result', result: (receipt) => change(receipt as Json) },
  });
}

function changeRoots(server: ChainServer): void {
  const change = (block: Json) => ({ ...block, receiptsRoot: keccak256(block.hash as Hex) });
  server.misbehave({
    methods: ['eth_getBlockByNumber', 'eth_getBlockByHash'],
    do: { kind: 'result', result: (block) => (block === null ? null : change(block as Json)) },
  });
}

/** Fills the chain range by range, as jobs do, and returns the positions of the logs. */
async function fill(urls: readonly string[]): Promise<string[]> {
  const source = fixture.open(urls);
  const logs: RawLog[] = [];
  for (let from = 1; from <= BLOCKS; ) {
    const to = Math.min(BLOCKS, from + RANGE_BLOCKS - 1);
    const range = await source.fetchRange({ from, to, strict: false, watch: WATCH });
    logs.push(...range.logs);
    from = range.to + 1;
  }
  return logs.map(positionOf);
}

const positionOf = ({ blockNumber, logIndex }: Pick<RawLog, 'blockNumber' | 'logIndex'>) =>
  `${blockNumber}:${logIndex}`;
const truthOf = (chain: Chain) =>
  chain
    .logs()
    .filter(({ address }) => address !== OTHER_ADDRESS)
    .map(positionOf);

/** Returns the number of requests that an endpoint receives when it serves the fill alone. */
async function requestsAlone(): Promise<number> {
  const server = await fixture.serve(threeLogsChain());
  await fill([server.url]);
  return server.requests;
}

describe('of three logs a block, one endpoint of two lacks the middle one', () => {
  test.each([
    { what: 'in its log index', order: ['liar', 'honest'], changes: [hideMiddleLogs], rooted: true },
    { what: 'in its log index', order: ['honest', 'liar'], changes: [hideMiddleLogs], rooted: true },
    {
      what: 'in its receipts too',
      order: ['liar', 'honest'],
      changes: [hideMiddleLogs, hideMiddleReceipts],
      rooted: true,
    },
    {
      what: 'in its receipts too',
      order: ['honest', 'liar'],
      changes: [hideMiddleLogs, hideMiddleReceipts],
      rooted: true,
    },
    {
      what: 'in its receipts too, and roots prove nothing',
      order: ['liar', 'honest'],
      changes: [hideMiddleLogs, hideMiddleReceipts],
      rooted: false,
    },
    {
      what: 'in its receipts too, and roots prove nothing',
      order: ['honest', 'liar'],
      changes: [hideMiddleLogs, hideMiddleReceipts],
      rooted: false,
    },
  ])('$what: all logs are stored ($order)', async ({ order, changes, rooted }) => {
    const chain = threeLogsChain();
    const servers = { liar: await fixture.serve(chain), honest: await fixture.serve(chain) };
    for (const change of changes) change(servers.liar);
    if (!rooted) for (const server of Object.values(servers)) changeRoots(server);
    const urls = order.map((name) => servers[name as 'liar' | 'honest'].url);
    expect(await fill(urls)).toEqual(truthOf(chain));
    const accused = fixture.notices.filter(({ event }) => event === 'inconsistent response');
    expect(accused.map(({ endpoint }) => endpoint)).toContain(
      `${new URL(servers.liar.url).host}#${order.indexOf('liar')}`,
    );
    // The liar is found out once. After that, its answers do not cause a second look at every range.
    expect(servers.liar.count('eth_getLogs')).toBeLessThan(RANGES);
  });
});

test.each([
  ['first', ['liar', 'honest']],
  ['second', ['honest', 'liar']],
] as const)('where roots prove nothing, a %s endpoint that invents logs does not stop the range', async (_, order) => {
  const chain = threeLogsChain();
  const servers = { liar: await fixture.serve(chain), honest: await fixture.serve(chain) };
  const invented = { logIndex: '0x9', transactionIndex: '0x1' };
  servers.liar.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (logs) => (logs as Json[]).flatMap((one) => [one, { ...one, ...invented }]) },
  });
  for (const server of Object.values(servers)) changeRoots(server);
  expect(await fill(order.map((name) => servers[name].url))).toEqual(truthOf(chain));
});

test('a healthy second endpoint gets one request for each range, and the first one none more', async () => {
  const alone = await requestsAlone();
  const chain = threeLogsChain();
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  expect(await fill([first.url, second.url])).toEqual(truthOf(chain));
  expect(first.requests).toBe(alone);
  expect([second.requests, second.count('eth_getLogs'), second.count('eth_chainId')]).toEqual([RANGES + 1, RANGES, 1]);
});

describe('a second endpoint that cannot answer costs the first one nothing', () => {
  const cases: readonly [string, (server: ChainServer) => void][] = [
    ['hangs', (server) => void server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'hang' } })],
    ['answers 503', (server) => void server.misbehave({ do: { kind: 'http', status: 503 } })],
    ['limits the rate', (server) => void server.misbehave({ do: { kind: 'http', status: 429 } })],
    [
      'refuses ranges',
      (server) =>
        void server.misbehave({
          methods: ['eth_getLogs'],
          do: { kind: 'error', code: -32005, message: 'query returned more than 10000 results' },
        }),
    ],
    [
      'refuses logs in unknown words',
      (server) =>
        void server.misbehave({
          methods: ['eth_getLogs'],
          do: { kind: 'error', code: -32099, message: 'gas of the moon is low' },
        }),
    ],
    [
      'has pruned the blocks',
      (server) => {
        server.view.prunedBelow = BLOCKS;
      },
    ],
    [
      'does not have the blocks yet',
      (server) => {
        server.view.lag = BLOCKS - 5;
      },
    ],
    [
      'has deleted its receipts and answers []',
      (server) => {
        server.view.hiddenLogs = true;
        server.misbehave({ methods: ['eth_getBlockReceipts'], do: { kind: 'result', result: () => null } });
      },
    ],
  ];
  test.each(cases)('because it %s', async (_, misbehave) => {
    const alone = await requestsAlone();
    const chain = threeLogsChain();
    const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
    misbehave(second);
    const startedAt = performance.now();
    expect(await fill([first.url, second.url])).toEqual(truthOf(chain));
    expect(first.requests).toBe(alone);
    // The second endpoint is tried again after longer and longer pauses, and no range waits for it again.
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000);
    expect(second.count('eth_getLogs')).toBeLessThanOrEqual(1 + Math.log2(seconds + 1));
  });

  test('because it is down', async () => {
    const alone = await requestsAlone();
    const chain = threeLogsChain();
    const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
    const urls = [first.url, second.url];
    await second.close();
    expect(await fill(urls)).toEqual(truthOf(chain));
    expect(first.requests).toBe(alone);
  });
});

test('a block that is missing from the answer of a second endpoint alone is no reason to doubt it again', async () => {
  const chain = threeLogsChain();
  const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
  second.view.hiddenLogs = new Set([50]);
  expect(await fill([first.url, second.url])).toEqual(truthOf(chain));
  // The second endpoint is not asked any more once the receipts have shown that it was wrong.
  expect(second.count('eth_getLogs')).toBe(6);
});

describe('reading in full says which blocks no second endpoint confirmed', () => {
  const RANGE = { from: 11, to: 20, strict: false, watch: WATCH, inFull: 'blooms' } as const;
  const WITH_LOGS = [12, 14, 16, 18, 20];
  const refuseRanges = (server: ChainServer, blocks: number) =>
    server.misbehave({
      methods: ['eth_getLogs'],
      when: ([filter]) => {
        const { fromBlock, toBlock } = filter as Record<string, Hex>;
        return Number(toBlock) - Number(fromBlock) >= blocks;
      },
      do: { kind: 'error', code: -32005, message: 'query returned more than 10000 results' },
    });
  const read = (servers: readonly ChainServer[], range: Partial<RangeRequest> = {}) =>
    fixture.open(servers.map(({ url }) => url)).fetchRange({ ...RANGE, ...range });

  test('none if it gives the same logs, and all with logs if it gives none', async () => {
    const chain = threeLogsChain();
    const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
    expect(await read([first, second])).toMatchObject({ unconfirmedBlocks: [], otherConfirmed: true });
    second.misbehave({ methods: ['eth_getLogs'], do: { kind: 'http', status: 503 } });
    expect(await read([first, second])).toMatchObject({ unconfirmedBlocks: WITH_LOGS, otherConfirmed: false });
    expect(await read([first])).toMatchObject({ unconfirmedBlocks: [], otherConfirmed: false });
  });

  test('those outside of the smaller range that it serves', async () => {
    const chain = threeLogsChain();
    const [first, second] = [await fixture.serve(chain), await fixture.serve(chain)];
    refuseRanges(second, 2);
    const clock = { ms: 0 };
    const source = fixture.open([first.url, second.url], {}, { now: () => clock.ms });
    const counts = new Set<number>();
    for (let tries = 0; tries < 10; tries++, clock.ms += PAUSE_MAX_MS) {
      const { unconfirmedBlocks = [], otherConfirmed = false, comparedInPart } = await source.fetchRange(RANGE);
      if (otherConfirmed) counts.add(unconfirmedBlocks.length);
      if (otherConfirmed) expect(comparedInPart).toBe(true);
    }
    // Of two blocks one has logs.
    expect(counts).toContain(WITH_LOGS.length - 1);
    expect(counts).not.toContain(0);
  });

  test('none if its answer may have been cut, because receipts are read instead', async () => {
    const chain = new Chain();
    chain.mine(10);
    chain.append({ logs: Array.from({ length: 10 }, () => log({ transaction: 1 })) });
    chain.mine(5);
    const [liar, honest] = [await fixture.serve(chain), await fixture.serve(chain)];
    hideMiddleLogs(liar);
    const block = Number(chain.logs()[0]?.blockNumber);
    const { logs, unconfirmedBlocks } = await read([liar, honest], { from: block, to: block });
    expect(logs).toHaveLength(10);
    expect(unconfirmedBlocks).toEqual([]);
  });
});
