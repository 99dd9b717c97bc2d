import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useAnvil } from '../kit/anvil.ts';
import { deployPlatform, type Platform, subjectsOf } from '../kit/deploy.ts';
import { compareWithChain, describeComparison } from '../kit/oracle/check-database.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { registerPlatform } from '../kit/register-platform.ts';

const anvil = useAnvil({ timestamp: 1_700_000_000, timestampInterval: 2 });
let platform: Platform;
let database: TestDatabase;
let db: pg.Pool;

beforeAll(async () => {
  platform = await deployPlatform(anvil());
  database = await createDatabase();
  db = new pg.Pool({ connectionString: database.url });
  await registerPlatform(db, platform);
});
afterAll(async () => {
  await db?.end();
  await database?.drop();
});

test('comparing an empty database with the chain reports every table with rows as different', async () => {
  const subjects = subjectsOf(platform);
  expect(describeComparison(await compareWithChain(db, anvil(), subjects))).toEqual([
    `the database has no head of chain ${anvil().chainId}`,
  ]);
  const { number, hash } = await anvil().client.getBlock();
  await db.query('insert into indexer.chains (chain_id, head_number, head_hash) values ($1, $2, $3)', [
    anvil().chainId,
    number,
    hash,
  ]);
  const differences = describeComparison(await compareWithChain(db, anvil(), subjects));
  const tables = new Set(differences.map((difference) => difference.slice(0, difference.indexOf(':'))));
  expect([...tables].sort()).toEqual([
    ...[
      'artist_tokens',
      'contract_events',
      'contracts',
      'liquidity_pools',
      'master_contracts',
      'master_ipos',
      'master_nfts',
    ],
    ...['nft_transfers', 'pool_events', 'pool_positions', 'token_holders', 'token_transfers'],
  ]);
  await db.query('update indexer.chains set head_hash = $1', [`0x${'00'.repeat(32)}`]);
  expect(describeComparison(await compareWithChain(db, anvil(), subjects))[0]).toContain('the chain has');
});
