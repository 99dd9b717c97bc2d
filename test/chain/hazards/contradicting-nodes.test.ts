import { expect, test } from 'vitest';
import { busyChain, follow, serve } from '../../kit/follow.ts';
import { busyBlocks, issued, WALLETS } from '../../kit/music.ts';
import { expectSettled, reorgsOf, truthOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const blocks = busyBlocks(11);
const someLogs = { logs: [issued(WALLETS[0], 5n), issued(WALLETS[1] ?? WALLETS[0], 7n)] };

test('a head that goes backwards rewinds nothing', async () => {
  const { chain, server, db, settled } = await follow({ chain: busyChain(40) });
  await settled();
  server.view.lag = 7;
  const asked = server.count('eth_getBlockByNumber');
  await until('the daemon to look often', () => server.count('eth_getBlockByNumber') > asked + 10);
  expect((await db.query('select head_number from indexer.chains')).rows).toEqual([{ head_number: '40' }]);
  // It catches up from below our head, with what came meanwhile.
  chain.append(...blocks(3));
  for (const lag of [5, 3, 0]) {
    server.view.lag = lag;
    const before = server.count('eth_getBlockByNumber');
    await until('the daemon to look again', () => server.count('eth_getBlockByNumber') > before + 2);
  }
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
});

test('the same logs served twice in one answer make no second row', async () => {
  const { chain, server, daemon, settled } = await follow();
  await settled();
  server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (honest) => [honest, honest].flat() },
  });
  chain.append(someLogs);
  await until('the daemon to notice', () => daemon.said('source: inconsistent').length > 1);
  server.heal();
  await settled();
});

test('a hash that stops existing is neither empty nor an end', async () => {
  const { chain, server, db, settled } = await follow();
  await settled();
  const lost = chain.append(someLogs);
  server.view.forgotten = new Set([lost.hash]);
  const asked = server.count('eth_getLogs');
  await until('its logs to be asked for', () => server.count('eth_getLogs') > asked + 2);
  chain.reorg(1, blocks(3));
  await settled();
  const { rows } = await db.query('select from token_transfers where block_hash = $1', [lost.hash]);
  expect(rows).toEqual([]);
});

test('an empty answer for a block whose bloom says that it holds logs: its receipts decide', async () => {
  const { chain, server, daemon, settled } = await follow();
  await settled();
  server.view.hiddenLogs = true;
  chain.append(someLogs, ...blocks(4));
  await settled();
  expect(daemon.said('source: inconsistent').length).toBeGreaterThan(0);
});

test('an empty answer for a block that holds logs, and receipts that hold none either: nothing is committed', async () => {
  const { chain, server, db, daemon, settled } = await follow();
  await settled();
  server.view.hiddenLogs = true;
  server.view.hiddenReceipts = true;
  const { number } = chain.append(someLogs);
  chain.mine(2);
  await until('the chain to be told of', async () => (await daemon.ready()).status === 503);
  const { rows } = await db.query('select head_number from indexer.chains');
  expect(Number(rows[0]?.head_number)).toBeLessThan(number);
  server.view.hiddenLogs = new Set();
  server.view.hiddenReceipts = false;
  await settled();
});

test('two endpoints on different forks: no rewind on one node’s word', async () => {
  const chain = busyChain(40);
  const second = await serve(chain);
  const { server, db, daemon, settled } = await follow({ chain, others: [second] });
  await settled();
  const fork = chain.fork(34);
  fork.append(...blocks(9));
  server.serve(fork);
  await until(
    'the daemon to be in doubt',
    () => daemon.said('reorg suspected').filter(({ reason }) => reason === 'endpoints disagree').length > 2,
  );
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
  await settled();
  // The first comes to its senses.
  server.serve(chain);
  chain.append(...blocks(3));
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
  // Now both say so.
  fork.append(...blocks(2));
  server.serve(fork);
  second.serve(fork);
  await expectSettled(db, truthOf(fork));
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 43, to: 34, depth: 9 }]);
});
