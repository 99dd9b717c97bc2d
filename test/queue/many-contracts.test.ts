import type pg from 'pg';
import { expect, test } from 'vitest';
import { Daemon } from '../kit/daemon.ts';
import { addressOf } from '../kit/event-logs.ts';
import { erc20Mint, WALLETS } from '../kit/music.ts';
import { busyChain, createScene } from '../kit/scene.ts';
import { atHead } from '../kit/settled.ts';
import { until } from '../kit/until.ts';

const CONTRACTS = 10_000;
const MEMORY_MIB = 500;
const QUIET_BLOCKS = 10;

const address = (n: number) => addressOf(0xc0de_0000 + n);
/** The first contract, one in the middle and the last. */
const SOME = [0, 5_000, CONTRACTS - 1].map(address);

/** Inserts the rows of artist tokens, each of an artist of its own, as the platform does. */
async function announceTokens(db: pg.Pool, chainId: number): Promise<void> {
  await db.query(
    `with people as (
       insert into users (email, display_name)
       select n || '@many.example', n::text from generate_series(1, $3::int) n returning id, display_name),
     makers as (
       insert into artists (user_id, artist_name, slug) select id, display_name, display_name from people returning id, artist_name)
     insert into artist_tokens (artist_id, chain_id, contract_address, deployed_at_block, name, symbol, total_supply)
     select id, $1, ($2::text[])[artist_name::int], 0, '', '', 0 from makers`,
    [String(chainId), Array.from({ length: CONTRACTS }, (_, n) => address(n)), CONTRACTS],
  );
}

test('with 10,000 contracts on one chain the daemon starts, follows quiet blocks, and stores an event of any of them', async () => {
  const { chain, env, db } = await createScene({ chain: busyChain(), announce: false });
  await announceTokens(db, chain.chainId);
  const daemon = await Daemon.start(env);
  const head = () => until('the head', () => atHead(db, chain.chainId, chain.head.hash));
  await head();
  await until('all contracts to be followed', async () => {
    const { rows } = await db.query('select from indexer.contracts where live_from is null');
    return rows.length === 0;
  });
  for (let block = 0; block < QUIET_BLOCKS; block++) {
    chain.mine(1);
    await head();
  }
  chain.append({ logs: SOME.map((token) => erc20Mint(WALLETS[0], 7n, token)) });
  await head();
  const { rows } = await db.query(
    `select contract_address as address, balance::text from token_holders holder
     join artist_tokens token on token.id = holder.artist_token_id order by 1`,
  );
  expect(rows).toEqual(SOME.map((token) => ({ address: token, balance: '7' })));
  await until('/ready to be green', async () => (await daemon.ready()).status === 200);
  expect(await daemon.memory()).toBeLessThan(MEMORY_MIB);
});
