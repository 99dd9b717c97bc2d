import { describe, expect, test } from 'vitest';
import { FinalizedBlock } from '../../indexer/follower/finalized-block.ts';
import type { BlockHeader, Hex } from '../../indexer/kernel/chain.ts';
import type { ChainState } from '../../indexer/progress/chains.ts';
import type { Source } from '../../indexer/source/source.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyChain, sourceFixture } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();
const signal = new AbortController().signal;
const CONFIRMATIONS = 12;
const NEW_CHAIN: ChainState = {
  chainId: 31_337,
  head: undefined,
  finalized: undefined,
  epoch: 0,
  liveVersion: 0,
  halted: undefined,
};

test.each<[string, (head: object) => unknown]>([
  ['another hash', (head) => ({ ...head, hash: `0x${'ab'.repeat(32)}`, parentHash: `0x${'cd'.repeat(32)}` })],
  ['a hash of zeros', (head) => ({ ...head, hash: `0x${'0'.repeat(64)}` })],
  ['no hash', (head) => ({ ...head, hash: null })],
  ['a number and nothing else', (head) => ({ number: (head as { number: Hex }).number })],
  ['a bloom and a timestamp that are none', (head) => ({ ...head, logsBloom: '0x1', timestamp: 'soon' })],
])('a head that is announced with %s is read by its number', async (_, announce) => {
  const chain = busyChain(3);
  const server = await fixture.serve(chain);
  server.view.announce = announce;
  const source = fixture.open([server.wsUrl], { headSilenceMs: 600_000 });
  const stop = new AbortController();
  const seen: BlockHeader[] = [];
  const reading = (async () => {
    for await (const head of source.heads(stop.signal)) seen.push(head);
  })();
  await until('the first head', () => seen.length > 0);
  await until('the subscription', () => server.subscriptions === 1);
  for (let block = 0; block < 3; block++) {
    chain.mine(1);
    await until('the new head', () => seen.at(-1)?.hash === chain.head.hash);
  }
  stop.abort();
  await reading;
  expect(fixture.notices.filter(({ event }) => event === 'subscription lost')).toEqual([]);
});

/** Creates a chain of 300 blocks and a function that reads its finalized block, each time a minute later. */
async function finalizedReader(servers: (chain: Chain) => Promise<ChainServer[]>) {
  const chain = new Chain();
  chain.mine(300);
  chain.finalized = 250;
  const started = await servers(chain);
  const source: Source = fixture.open(started.map(({ url }) => url));
  let laterMs = 0;
  const finalized = new FinalizedBlock(source, CONFIRMATIONS, () => performance.now() + laterMs);
  const read = async () => {
    laterMs += 60_000;
    return finalized.read(await source.head(), NEW_CHAIN, signal);
  };
  return { chain, servers: started, source, read };
}

describe('the finalized tag', () => {
  test.each([
    [-32603, 'invalid block height: 57603085'],
    [-32603, 'Internal error'],
    [-32000, 'unsupported block tag: finalized'],
    [-32602, "invalid argument 0: hex string without 0x prefix: 'finalized'"],
    [-32099, 'the oracle is silent'],
  ])(
    'fails with %s %j: the last known block counts, before the first one the confirmations, and heads are not slowed',
    async (code, message) => {
      const { chain, servers, source, read } = await finalizedReader(async (chain) => [await fixture.serve(chain)]);
      const [server] = servers;
      const refuse = () =>
        server?.misbehave({ when: ([tag]) => tag === 'finalized', do: { kind: 'error', code, message } }) ??
        (() => undefined);
      const heal = refuse();
      expect(await read()).toBe(300 - CONFIRMATIONS);
      for (let block = 0; block < 20; block++) {
        chain.mine(1);
        const startedAt = performance.now();
        expect((await source.head()).number).toBe(301 + block);
        expect(await read()).toBe(301 + block - CONFIRMATIONS);
        expect(performance.now() - startedAt).toBeLessThan(5_000);
      }
      heal();
    },
  );

  test('fails after it was served: the last known block counts', async () => {
    const { chain, servers, read } = await finalizedReader(async (chain) => [await fixture.serve(chain)]);
    expect(await read()).toBe(250);
    servers[0]?.misbehave({
      when: ([tag]) => tag === 'finalized',
      do: { kind: 'error', code: -32603, message: 'Internal error' },
    });
    chain.mine(100);
    expect(await read()).toBe(250);
  });

  test('of block 0 for ever counts as none, on every endpoint or on one of two', async () => {
    const chain = new Chain({ blockTimeSeconds: 60 });
    chain.mine(20_000);
    chain.finalized = 19_900;
    const stuck = chain.fork();
    stuck.finalized = 0;
    const [honest, ill] = [await fixture.serve(chain), await fixture.serve(stuck)];
    const alone = fixture.open([ill.url]);
    expect(await alone.finalized(signal, await alone.head())).toBeUndefined();
    const together = fixture.open([ill.url, honest.url]);
    expect(await together.finalized(signal, await together.head())).toBe(19_900);
  });

  test('that lags by hours is believed', async () => {
    const chain = new Chain({ blockTimeSeconds: 2 });
    chain.mine(12_000);
    chain.finalized = 500;
    const server = await fixture.serve(chain);
    const source = fixture.open([server.url]);
    expect(await source.finalized(signal, await source.head())).toBe(500);
  });
});

test('state that is gone in other words slows nothing else', async () => {
  for (const words of [
    'state does not maintain archive data',
    'node is running with state pruning',
    'World state unavailable',
    'height 100 is not available, lowest height is 872',
    'the attic is empty',
  ]) {
    const chain = busyChain(30);
    chain.call = () => {
      throw new RpcFault(-32000, words);
    };
    const server = await fixture.serve(chain);
    server.misbehave({ methods: ['eth_getCode'], do: { kind: 'error', code: -32000, message: words } });
    const source = fixture.open([server.url]);
    await source.head();
    const heads: number[] = [];
    const old = source.codeAt(`0x${'aa'.repeat(20)}`, 1, signal).catch((error: unknown) => error);
    for (let time = 0; time < 20; time++) {
      const startedAt = performance.now();
      await source.head();
      heads.push(performance.now() - startedAt);
    }
    expect(heads.toSorted((a, b) => a - b)[10]).toBeLessThan(100);
    if (words !== 'the attic is empty') expect(await old).toMatchObject({ kind: 'pruned' });
    else await old;
  }
});
