import { pad, toEventSelector } from 'viem';
import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import type { Chain } from '../kit/chain.ts';
import { chainSettings } from '../kit/daemon.ts';
import { busyBlocks, DIVIDENDS, MASTER, TOKEN, WALLETS } from '../kit/music.ts';
import { programWithEdit } from '../kit/older-program.ts';
import { Program } from '../kit/program.ts';
import { busyChain, createScene, type Scene } from '../kit/scene.ts';
import { atHead } from '../kit/settled.ts';
import { until } from '../kit/until.ts';
import { digestOf, IN_POSTGRES, longChain, scene } from './scene.ts';

/** Proofs are off, because a proof would itself decode the logs again in blocks that are not proved yet. */
const SETTINGS = { proof: { level: 'off' } } as const;

/** Returns a program that cannot decode the logs of every third block. */
const withFaultyDecoders = () =>
  programWithEdit('indexer/protocols/shared/decoder.ts', (text) =>
    text.replace(
      'return log.topics.length === topics &&',
      'return log.blockNumber % 3 !== 0 && log.topics.length === topics &&',
    ),
  );

/** Returns a program whose ABI declares the receiver of ERC-20 transfers as data, so that no such transfer can be decoded. */
const withWrongAbi = () =>
  programWithEdit('abis/erc20.v1.ts', (text) =>
    text.replace("{ name: 'to', type: 'address', indexed: true }", "{ name: 'to', type: 'address', indexed: false }"),
  );

/** Runs a program until it is at the chain's head. */
async function indexWith(main: string, { chain, db, env }: Scene): Promise<void> {
  const program = new Program(['start'], env, { main, settings: chainSettings(env, SETTINGS) });
  await until('the faulty program to be at the head', () => atHead(db, chain.chainId, chain.head.hash));
  await until('the faulty program to fill history', async () => {
    const incomplete = 'select from indexer.contracts where not covered @> int8range(deployed_at_block, live_from)';
    return (await db.query(incomplete)).rows.length === 0;
  });
  expect(await program.stop()).toBe(0);
}

/** Returns the digest of a database that the unedited program filled in one go. */
async function digestOfFresh(chain: Chain): Promise<unknown> {
  const fresh = await createScene({ chain, settings: SETTINGS });
  fresh.run('start');
  await fresh.settled();
  return digestOf(fresh.url);
}

async function letters({ db }: Scene): Promise<{ id: string; block: number; address: string }[]> {
  const sql =
    'select id, block_number::int as block, address from indexer.dead_letters order by block_number, log_index';
  return (await db.query(sql)).rows;
}

test('logs that could not be decoded are decoded by a mended program, and the database equals one that decoded them at once', async () => {
  const chain = busyChain(48, 30);
  const word = (value: Hex): Hex => pad(value);
  const topics = [toEventSelector('Transfer(address,address,uint256)'), word('0x0'), word(WALLETS[0])];
  const { number: unfit } = chain.append({ logs: [{ address: TOKEN, topics, data: '0x01' }] });
  chain.append(...busyBlocks(5)(2));
  const indexed = await createScene({ chain, settings: SETTINGS });
  const { url, db, run } = indexed;
  await indexWith(await withFaultyDecoders(), indexed);
  const before = await letters(indexed);
  for (const address of [TOKEN, MASTER, DIVIDENDS]) expect(before.map((letter) => letter.address)).toContain(address);

  const list = run('dead-letters', 'list', '--limit', '1');
  expect(await list.exited).toBe(0);
  expect(list.stdout).toContain(`${before[0]?.id} log of `);
  expect(list.stdout).toContain(`and ${before.length - 1} more`);
  const json = run('dead-letters', 'list', '--contract', TOKEN.toUpperCase().replace('X', 'x'), '--json');
  expect(await json.exited).toBe(0);
  const listed = JSON.parse(json.stdout).deadLetters;
  expect(listed).toHaveLength(before.filter(({ address }) => address === TOKEN).length);
  const raw = chain.block(unfit)?.logs[0];
  expect(listed).toContainEqual(
    expect.objectContaining({
      ...{ kind: 'log', chainId: chain.chainId, contract: TOKEN, contractKind: 'artist_token', block: unfit },
      ...{
        logIndex: raw?.logIndex,
        transactionHash: raw?.transactionHash,
        blockHash: raw?.blockHash,
        topics,
        data: '0x01',
      },
      reason: 'Transfer: expected 3 topics and 32 bytes of data, got 3 and 1',
    }),
  );

  const retry = run('dead-letters', 'retry', '--json');
  expect(await retry.exited).toBe(1);
  expect(retry.stderr).toContain('1 logs still cannot be decoded');
  const { gone, requested, kept } = JSON.parse(retry.stdout);
  expect({ gone, requested }).toEqual({ gone: before.length - 1, requested: [] });
  expect(kept).toMatchObject([{ block: unfit, reason: expect.stringContaining('expected 3 topics') }]);
  await indexed.settled();
  const digest = await digestOf(url);
  expect(digest).toEqual(await digestOfFresh(chain));

  expect(await run('dead-letters', 'retry').exited).toBe(1);
  expect(await digestOf(url)).toEqual(digest);
  expect(await run('dead-letters', 'retry', '--contract', MASTER).exited).toBe(0);

  const unknown = '00000000-0000-4000-8000-000000000000';
  for (const action of ['list', 'retry', 'drop']) {
    const refused = run('dead-letters', action, kept[0].id, unknown);
    expect(await refused.exited).toBe(2);
    expect(refused.stderr).toContain(`no such dead letter: ${unknown}`);
  }
  const unconfirmed = run('dead-letters', 'drop');
  expect(await unconfirmed.exited).toBe(2);
  expect(unconfirmed.stderr).toContain('--all');
  expect(await letters(indexed)).toHaveLength(1);
  expect(await run('dead-letters', 'drop', kept[0].id).exited).toBe(0);
  expect(await letters(indexed)).toEqual([]);
  expect((await db.query('select cause from indexer.repairs group by cause')).rows).toEqual([
    { cause: 'dead-letters' },
  ]);
});

test('after the right ABI of a token was added, its logs are decoded in place, and the database equals one that had this ABI at first', async () => {
  const chain = busyChain(48, 30);
  const indexed = await createScene({ chain, settings: SETTINGS });
  const { db, run, url } = indexed;
  await indexWith(await withWrongAbi(), indexed);
  const before = await letters(indexed);
  expect(new Set(before.map(({ address }) => address))).toEqual(new Set([TOKEN]));
  expect((await db.query('select from token_transfers')).rowCount).toBe(0);
  expect(await run('dead-letters', 'retry').exited).toBe(0);
  expect((await db.query('select from token_transfers')).rowCount).toBe(before.length);
  expect(await letters(indexed)).toEqual([]);
  await indexed.settled();
  expect(await digestOf(url)).toEqual(await digestOfFresh(chain));
});

test('logs are decoded again while a daemon follows the head and unwinds blocks with dead letters', async () => {
  const indexed = await createScene({ chain: busyChain(60, 20), settings: SETTINGS });
  const { chain, url, db, run, settled } = indexed;
  await indexWith(await withFaultyDecoders(), indexed);
  const above = (await letters(indexed)).filter(({ block }) => block > chain.head.number - 9);
  expect(above.length).toBeGreaterThan(2);

  // No process has unwound the database yet, so the node's blocks belong to another branch than the dead letters.
  chain.reorg(9, busyBlocks(11)(6));
  const stale = run('dead-letters', 'retry', String(above[0]?.id));
  expect(await stale.exited).toBe(1);
  expect(stale.stdout).toMatch(/another branch/);
  expect((await letters(indexed)).map(({ id }) => id)).toContain(above[0]?.id);

  run('start');
  const retry = run('dead-letters', 'retry');
  for (let round = 0; retry.isRunning; round++) {
    chain.append(...busyBlocks(round)(2));
    if (round % 3 === 2) chain.reorg(2, busyBlocks(100 + round)(2));
    const { hash } = chain.head;
    await until('the head', () => atHead(db, chain.chainId, hash));
  }
  await retry.exited;
  // If the daemon unwinds a block late, the block's dead letter remains for the next attempt.
  await until('a retry that leaves no letter', async () => (await run('dead-letters', 'retry').exited) === 0);
  await settled();
  expect(await letters(indexed)).toEqual([]);
  expect(await digestOf(url)).toEqual(await digestOfFresh(chain));
});

test('ranges that failed are filled again by a running daemon, which would wait for an hour without the command', async () => {
  const { run, server, db, settled } = await scene(IN_POSTGRES, longChain(2_000));
  server.view.prunedBelow = 500;
  expect(await run('backfill', '--from-block', '0').exited).toBe(1);
  const status = run('status');
  await status.exited;
  expect(status.stdout).toContain('indexer dead-letters retry');
  const daemon = run('start');
  await until('the daemon', () => daemon.logLines('leading the chain').length > 0);
  server.view.prunedBelow = 0;
  expect((await db.query("select from indexer.dead_letters where kind = 'job'")).rows.length).toBeGreaterThan(0);
  const retry = run('dead-letters', 'retry', '--json');
  expect(await retry.exited).toBe(0);
  expect(JSON.parse(retry.stdout)).toMatchObject({
    gone: 0,
    requested: [{ from: 0, to: 499, contracts: null }],
    kept: [],
  });
  await settled();
  expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
});
