import { expect, onTestFinished, test } from 'vitest';
import { busyBlocks, erc20Mint, WALLETS } from '../../kit/music.ts';
import { busyChain, follow, serve } from '../../kit/scene.ts';
import { expectSettled, liveChainOf, reorgsOf } from '../../kit/settled.ts';
import { until } from '../../kit/until.ts';

const CALLS_PER_SECOND = 2_000;
const BLOCK_INTERVAL_MS = 500;
const blocks = busyBlocks(11);
const someLogs = { logs: [erc20Mint(WALLETS[0], 5n), erc20Mint(WALLETS[1] ?? WALLETS[0], 7n)] };

test('a head that moves backwards unwinds nothing', async () => {
  const { chain, server, db, settled } = await follow({ chain: busyChain(40) });
  await settled();
  server.view.lag = 7;
  const asked = server.count('eth_getBlockByNumber');
  await until('the daemon to poll often', () => server.count('eth_getBlockByNumber') > asked + 10);
  expect((await db.query('select head_number from indexer.chains')).rows).toEqual([{ head_number: '40' }]);
  // The node catches up from below the local head, with new blocks on top.
  chain.append(...blocks(3));
  for (const lag of [5, 3, 0]) {
    server.view.lag = lag;
    const before = server.count('eth_getBlockByNumber');
    await until('the daemon to poll again', () => server.count('eth_getBlockByNumber') > before + 2);
  }
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
});

test('logs that an answer repeats are stored once', async () => {
  const { chain, server, daemon, settled } = await follow();
  await settled();
  server.misbehave({
    methods: ['eth_getLogs'],
    do: { kind: 'result', result: (honest) => [honest, honest].flat() },
  });
  chain.append(someLogs);
  await until('the daemon to notice', () => daemon.logLines('source: inconsistent').length > 0);
  server.heal();
  await settled();
});

test('a block that the node forgets is neither committed as empty nor stops the chain', async () => {
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

test('logs missing from an answer although the bloom shows them are read from the receipts', async () => {
  const { chain, server, daemon, settled } = await follow();
  await settled();
  server.view.hiddenLogs = true;
  chain.append(someLogs, ...blocks(4));
  await settled();
  expect(daemon.logLines('source: inconsistent').length).toBeGreaterThan(0);
});

test.each(['background', 'inline'] as const)(
  'a log that one of two endpoints leaves out at the head, which no bloom shows, is stored once its block is final (%s)',
  async (level) => {
    const chain = busyChain(40);
    const settings = { proof: { level, callsPerSecond: CALLS_PER_SECOND } };
    const { server, db, settled } = await follow({ chain, moreEndpoints: [await serve(chain)], settings });
    await settled();
    // The block has two logs of one contract with one topic, which set the same bits of the bloom.
    server.misbehave({
      methods: ['eth_getLogs'],
      do: { kind: 'result', result: (honest) => (honest as readonly unknown[]).slice(0, 1) },
    });
    const { number } = chain.append(someLogs);
    const stored = () => db.query('select log_index from token_transfers where block_number = $1', [number]);
    await until('the block to be stored', async () => (await stored()).rowCount === 1);
    chain.finalized = number;
    const timer = setInterval(() => chain.mine(1), BLOCK_INTERVAL_MS);
    onTestFinished(() => clearInterval(timer));
    const repairs = () => db.query('select from_block::int as block, cause, endpoints from indexer.repairs');
    await until('the repair', async () => (await repairs()).rows.length > 0);
    clearInterval(timer);
    await settled();
    expect((await repairs()).rows).toEqual([
      { block: number, cause: 'proof', endpoints: [`127.0.0.1:${server.port}#0`] },
    ]);
    await until('all blocks to be proved as one range', async () => {
      const { rows } = await db.query(
        'select array(select unnest(verified))::text[] as ranges, head_number::int as head from indexer.chains',
      );
      const [{ ranges, head }] = rows;
      return ranges.length === 1 && ranges[0].endsWith(`,${head + 1})`);
    });
  },
);

test('a block whose logs and receipts are both hidden is not committed', async () => {
  const { chain, server, db, daemon, settled } = await follow();
  await settled();
  server.view.hiddenLogs = true;
  server.view.hiddenReceipts = true;
  const { number } = chain.append(someLogs);
  chain.mine(2);
  await until('/ready to report the chain', async () => (await daemon.ready()).status === 503);
  const { rows } = await db.query('select head_number from indexer.chains');
  expect(Number(rows[0]?.head_number)).toBeLessThan(number);
  server.view.hiddenLogs = new Set();
  server.view.hiddenReceipts = false;
  await settled();
});

test('a reorg that only one of two endpoints reports is not unwound', async () => {
  const chain = busyChain(40);
  const second = await serve(chain);
  const { server, db, daemon, settled } = await follow({ chain, moreEndpoints: [second] });
  await settled();
  const fork = chain.fork(34);
  fork.append(...blocks(9));
  server.serve(fork);
  await until(
    'the daemon to suspect a reorg several times',
    () => daemon.logLines('reorg suspected').filter(({ reason }) => reason === 'endpoints disagree').length > 2,
  );
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
  await settled();
  // The first endpoint returns to the original chain.
  server.serve(chain);
  chain.append(...blocks(3));
  await settled();
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
  // Now both endpoints are on the fork.
  fork.append(...blocks(2));
  server.serve(fork);
  second.serve(fork);
  await expectSettled(db, liveChainOf(fork));
  expect(await reorgsOf(db, chain.chainId)).toEqual([{ from: 43, to: 34, depth: 9 }]);
});

test('an endpoint with another block at a final height is set aside with its evidence, and the chain goes on', async () => {
  const chain = busyChain(40, 38);
  const others = [await serve(chain), await serve(chain)];
  const { server, db, daemon, settled } = await follow({ chain, moreEndpoints: others });
  await settled();
  const fork = chain.fork(34);
  fork.append(...blocks(9));
  server.serve(fork);
  chain.append(...blocks(5));
  await settled();
  const [quarantined] = daemon.logLines('source: endpoint quarantined');
  const hashes = [fork.block(35)?.hash, chain.block(35)?.hash];
  expect(quarantined).toMatchObject({
    level: 40,
    endpoint: `127.0.0.1:${server.port}#0`,
    detail: expect.stringContaining(`its block 35 is ${hashes[0]}, where the chain has ${hashes[1]}`),
  });
  expect(await reorgsOf(db, chain.chainId)).toEqual([]);
});

test('while too few endpoints agree on the head, it stands still, and /ready and the log say why', async () => {
  const chain = busyChain(40);
  const second = await serve(chain);
  const { db, daemon, settled } = await follow({ chain, moreEndpoints: [second], settings: { quorum: 2 } });
  await settled();
  const heal = second.misbehave({ do: { kind: 'http', status: 502 } });
  chain.append(...blocks(2));
  const reason = 'no quorum for the head: 1 of 2 endpoints give a head, and 2 must agree';
  await until(
    'the reason in /ready',
    async () => (await daemon.ready()).chains[chain.chainId] === `failing: ${reason}`,
  );
  expect(daemon.logLines('no endpoint answers')[0]).toMatchObject({ reason });
  expect((await db.query('select head_number from indexer.chains')).rows).toEqual([{ head_number: '40' }]);
  heal();
  await settled();
});

test('backfill --proved waits until a followed block is final, says so, and counts it as proved then', async () => {
  const chain = busyChain(40);
  const settings = { proof: { callsPerSecond: CALLS_PER_SECOND } };
  const { run, settled } = await follow({ chain, moreEndpoints: [await serve(chain)], settings });
  await settled();
  const { number } = chain.append(someLogs);
  await settled();
  const backfill = run('backfill', '--from-block', '0', '--proved');
  await until('the command to wait', () => backfill.logLines('waiting until the last blocks are final').length > 0);
  chain.finalized = number;
  // The finalized block is stored with the next blocks that are committed after the node gave it.
  const timer = setInterval(() => chain.mine(1), BLOCK_INTERVAL_MS);
  onTestFinished(() => clearInterval(timer));
  expect(await backfill.exited).toBe(0);
  expect(backfill.stdout).toContain('complete and proved');
});
