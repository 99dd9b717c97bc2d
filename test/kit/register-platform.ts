import { randomUUID } from 'node:crypto';
import { getAddress } from 'viem';
import type { Deployed, Platform } from './deploy.ts';
import type { Queryable } from './queryable.ts';

/**
 * Announces a platform's contracts as its backend does: rows in the public tables, addresses in checksum case, and of some the
 * block of their deployment unknown.
 */
export async function registerPlatform(db: Queryable, platform: Platform): Promise<void> {
  const chain = String(platform.chainId);
  const artist = await registerArtist(db, 'Demo Artist');
  const masters = [
    { title: 'First Light', contract: platform.master, knowsBlock: true },
    { title: 'Old Songs', contract: platform.classicMaster, knowsBlock: false },
    { title: 'Long Player', contract: platform.batchMaster, knowsBlock: true },
  ];
  const ids = [];
  for (const { title, contract, knowsBlock } of masters) {
    ids.push(await registerMaster(db, artist, chain, { title, contract, knowsBlock }));
  }
  await db.query(
    `insert into dividend_contracts
       (master_id, artist_id, distribution_model, chain_id, contract_address, deployed_at_block, linked_master_contract)
     values ($1, $2, 'per_master', $3, $4, $5, $6)`,
    [ids[0], artist, chain, checksum(platform.dividends), platform.dividends.block, checksum(platform.master)],
  );
  const token = await insertedId(
    db,
    `insert into artist_tokens (artist_id, chain_id, contract_address, name, symbol, total_supply, deployed_at_block)
     values ($1, $2, $3, '', '', 0, $4) returning id`,
    [artist, chain, checksum(platform.artistToken), platform.artistToken.block],
  );
  await db.query(
    `insert into liquidity_pools
       (artist_token_id, chain_id, pool_address, pool_type, token0_address, token1_address, created_at_block)
     values ($1, $2, $3, 'uniswap_v2', $4, $5, $6)`,
    [token, chain, checksum(platform.pair), getAddress(platform.token0), getAddress(platform.token1), null],
  );
}

/** A user who is an artist; gives the artist's id. */
async function registerArtist(db: Queryable, name: string): Promise<string> {
  const slug = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}-${randomUUID().slice(0, 8)}`;
  const user = await insertedId(db, 'insert into users (email, display_name) values ($1, $2) returning id', [
    `${slug}@example.org`,
    name,
  ]);
  const sql = 'insert into artists (user_id, artist_name, slug) values ($1, $2, $3) returning id';
  return insertedId(db, sql, [user, name, slug]);
}

/** A master with its contract and its initial offering; gives the master's id. */
async function registerMaster(
  db: Queryable,
  artist: string,
  chain: string,
  { title, contract, knowsBlock }: { title: string; contract: Deployed; knowsBlock: boolean },
): Promise<string> {
  const master = await insertedId(db, 'insert into masters (artist_id, title) values ($1, $2) returning id', [
    artist,
    title,
  ]);
  await db.query('insert into master_ipos (master_id, total_supply) values ($1, 10000)', [master]);
  await db.query(
    'insert into master_contracts (master_id, chain_id, contract_address, deployed_at_block) values ($1, $2, $3, $4)',
    [master, chain, checksum(contract), knowsBlock ? contract.block : null],
  );
  return master;
}

async function insertedId(db: Queryable, sql: string, values: unknown[]): Promise<string> {
  const { rows } = await db.query(sql, values);
  return String(rows[0]?.id);
}

function checksum({ address }: Deployed): string {
  return getAddress(address);
}
