import { describe, expect, test } from 'vitest';
import type { BlockHeader } from '../../indexer/kernel/chain.ts';
import { levelOf } from '../../indexer/rpc/notice.ts';
import type { Source } from '../../indexer/source/source.ts';
import type { ChainServer } from '../kit/chain-server.ts';
import { busyChain, sourceFixture } from '../kit/source-fixture.ts';
import { until } from '../kit/until.ts';

const fixture = sourceFixture();

/** Reads heads in the background. */
function follow(source: Source) {
  const stop = new AbortController();
  const seen: BlockHeader[] = [];
  const done = (async () => {
    for await (const header of source.heads(stop.signal)) seen.push(header);
  })();
  return {
    seen,
    async until(number: number): Promise<void> {
      await until(`head ${number}`, () => seen.at(-1)?.number === number);
    },
    async stop(): Promise<void> {
      stop.abort();
      await done;
    },
  };
}

describe.each(['http', 'ws'])('over %s', (transport) => {
  test('heads arrive as the chain grows, the current one first, and end with the signal', async () => {
    const chain = busyChain(3);
    const server = await fixture.serve(chain);
    const heads = follow(fixture.open([transport === 'ws' ? server.wsUrl : server.url]));
    await heads.until(3);
    chain.mine(1);
    await heads.until(4);
    chain.reorg(1);
    await until('the new head', () => heads.seen.at(-1)?.hash === chain.head.hash);
    await heads.stop();
    expect(heads.seen.map((head) => head.number)).toEqual([3, 4, 4]);
    await until('the subscription to end', () => server.subscriptions === 0);
  });

  test('heads resume after an outage, and few requests are sent during it', async () => {
    const chain = busyChain(3);
    const server = await fixture.serve(chain);
    const heads = follow(fixture.open([transport === 'ws' ? server.wsUrl : server.url], { pollIntervalMs: 50 }));
    await heads.until(3);
    const heal = server.misbehave({ do: { kind: 'http', status: 502 } });
    server.drop();
    const before = server.arrivals.length;
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(server.arrivals.length - before).toBeLessThan(12);
    chain.mine(2);
    heal();
    await heads.until(5);
    await heads.stop();
  });

  test('a slow reader gets only the newest head', async () => {
    const chain = busyChain(3);
    const server = await fixture.serve(chain);
    const source = fixture.open([transport === 'ws' ? server.wsUrl : server.url]);
    const stop = new AbortController();
    const heads = source.heads(stop.signal)[Symbol.asyncIterator]();
    expect((await heads.next()).value).toMatchObject({ number: 3 });
    for (let block = 0; block < 5; block++) {
      chain.mine(1);
      // A WebSocket delivers earlier announcements before the answer. Polling has seen the block by its third request.
      const asked = server.count('eth_getBlockByNumber');
      if (transport === 'ws') await source.head();
      else await until('polling to see the block', () => server.count('eth_getBlockByNumber') > asked + 2);
    }
    expect((await heads.next()).value).toMatchObject({ number: 8 });
    stop.abort();
    expect((await heads.next()).done).toBe(true);
  });
});

test('a subscription delivers heads without polling', async () => {
  const chain = busyChain(3);
  const server = await fixture.serve(chain);
  const heads = follow(fixture.open([server.wsUrl]));
  await heads.until(3);
  const before = server.count('eth_getBlockByNumber');
  for (let number = 4; number <= 20; number++) {
    chain.mine(1);
    await heads.until(number);
  }
  // Each announced head is read once, by its number.
  expect(server.count('eth_getBlockByNumber')).toBeLessThanOrEqual(before + 17);
  await heads.stop();
});

test('a subscription is renewed after the socket was cut', async () => {
  const chain = busyChain(3);
  const server = await fixture.serve(chain);
  const heads = follow(fixture.open([server.wsUrl]));
  await heads.until(3);
  server.drop();
  chain.mine(1);
  await heads.until(4);
  await until('another subscription', () => server.subscriptions > 0);
  chain.mine(1);
  await heads.until(5);
  await heads.stop();
  const events = fixture.notices.map((notice) => notice.event);
  expect(events.filter((event) => event === 'subscribed').length).toBe(2);
  expect(events).toContain('subscription lost');
});

test('a subscription that is silent while the chain grows is replaced by polling', async () => {
  const chain = busyChain(3);
  const server = await fixture.serve(chain);
  const heads = follow(fixture.open([server.wsUrl], { headSilenceMs: 100 }));
  await heads.until(3);
  server.mute();
  chain.mine(1);
  await heads.until(4);
  chain.mine(1);
  await heads.until(5);
  await heads.stop();
});

test('a subscription that is silent because the chain does not grow is kept', async () => {
  const server = await fixture.serve(busyChain(3));
  const heads = follow(fixture.open([server.wsUrl], { headSilenceMs: 30 }));
  await heads.until(3);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(fixture.notices.map((notice) => notice.event)).toEqual(['subscribed']);
  await heads.stop();
});

test('a WebSocket endpoint without subscriptions is polled', async () => {
  const chain = busyChain(3);
  const server = await fixture.serve(chain);
  server.view.noSubscriptions = true;
  const heads = follow(fixture.open([server.wsUrl]));
  await heads.until(3);
  chain.mine(1);
  await heads.until(4);
  await heads.stop();
});

test('a head that moves backwards is passed on to the follower', async () => {
  const chain = busyChain(5);
  const server = await fixture.serve(chain);
  const heads = follow(fixture.open([server.url]));
  await heads.until(5);
  server.view.lag = 2;
  await heads.until(3);
  server.view.lag = 0;
  await heads.until(5);
  await heads.stop();
});

test.each<[string, (server: ChainServer) => void]>([
  ['announces nothing', (server) => server.mute()],
  [
    'announces one old block again and again',
    (server) => {
      server.view.announce = (head) => ({ ...head, number: '0x3' });
    },
  ],
])(
  'an open WebSocket that %s while the chain grows is closed with a warning, and another one is opened',
  async (_, silence) => {
    const chain = busyChain(3);
    const server = await fixture.serve(chain);
    const heads = follow(fixture.open([server.wsUrl], { headSilenceMs: 200 }));
    await heads.until(3);
    expect(server.connected).toBe(1);
    silence(server);
    chain.mine(1);
    await heads.until(4);
    await until('the warning', () => fixture.notices.some(({ event }) => event === 'subscription silent'));
    expect(fixture.notices.map(levelOf)).toContain('warn');
    await until('another connection', () => server.connected === 2);
    await until('another subscription', () => server.subscriptions === 1);
    server.mute(false);
    server.view.announce = undefined;
    const polled = server.count('eth_getBlockByNumber');
    chain.mine(1);
    await heads.until(5);
    // The head is announced, and its block is then read once.
    expect(server.count('eth_getBlockByNumber')).toBeLessThanOrEqual(polled + 2);
    await heads.stop();
  },
);
