import { sql } from 'kysely';
import pg from 'pg';
import { expect, test } from 'vitest';
import { adoptTables } from '../../indexer/db/adoption/adopt-tables.ts';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { createBackend } from '../kit/backend.ts';
import { addressOf } from '../kit/event-logs.ts';
import { CHECKSUM_ADDRESS, insertArtist, insertRow } from '../kit/platform-rows.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';
import { withDatabase } from '../kit/with-database.ts';

const LOWER = CHECKSUM_ADDRESS.toLowerCase();
const OTHER = `0x${'Cd'.repeat(20)}`;

type Token = { readonly master_id: string; readonly chain_id: string; readonly contract_address: string };

/** Returns a statement that inserts a token as the backend does: without a contract, and with the IPO of its master if there is one. */
function insertion(token: Token, tokenId: number, ipoId?: string): pg.QueryConfig {
  const wallets = { current_owner_wallet: LOWER, original_minter_wallet: LOWER };
  const ipo = ipoId === undefined ? {} : { master_ipo_id: ipoId };
  const values: Record<string, unknown> = { ...token, ...wallets, ...ipo, token_id: tokenId };
  const names = Object.keys(values);
  return {
    text: `insert into master_nfts (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
    values: Object.values(values),
  };
}

/** Returns each contract with the number of its tokens, and whether the indexer follows it. */
async function contractsOf(client: pg.Client, masterId: string): Promise<unknown[]> {
  const { rows } = await client.query(
    `select chain_id, contract_address as address,
       (select count(*)::int from master_nfts where master_contract_id = master_contracts.id) as tokens,
       exists (select from indexer.contracts where platform_id = master_contracts.id and address = contract_address
         and kind = 'master' and status = 'active') as followed
     from master_contracts where master_id = $1 order by 1`,
    [masterId],
  );
  return rows;
}

test.each([
  ['is required', ''],
  ['is optional', 'alter table master_nfts alter master_ipo_id drop not null'],
  ['is missing', 'alter table master_nfts drop column master_ipo_id'],
])(
  'the backend inserts tokens of contracts that were deployed after the adoption, if the IPO of a token %s',
  async (_, change) => {
    const { url, drop } = await createEmptyDatabase();
    await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
      await createBackend(client);
      await client.query(change);
      await migrateUp(db);
      const { masterId } = await insertArtist(client, 'new');
      const ipo = change.includes('drop column')
        ? undefined
        : await insertRow(client, 'master_ipos', { master_id: masterId, total_supply: 9 });
      const token = { master_id: masterId, chain_id: '8453', contract_address: OTHER };

      // Two sessions store the first tokens of the contract at once.
      const second = new pg.Client({ connectionString: url });
      await second.connect();
      try {
        await client.query('begin');
        await client.query(insertion(token, 1, ipo));
        const waiting = second.query(insertion(token, 2, ipo));
        // This query runs outside of the transaction, which would always see its first snapshot of the sessions.
        await until('the second session to wait', async () => {
          const { rows } = await sql`
          select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like 'insert into master_nfts%'`.execute(
            db,
          );
          return rows.length === 1;
        });
        await client.query('commit');
        await waiting;
      } finally {
        await second.end();
      }

      // A chain whose addresses are case-sensitive.
      await client.query(insertion({ ...token, chain_id: 'solana', contract_address: 'AbC' }, 1, ipo));
      expect(await contractsOf(client, masterId)).toEqual([
        { chain_id: '8453', address: OTHER.toLowerCase(), tokens: 2, followed: true },
        { chain_id: 'solana', address: 'AbC', tokens: 1, followed: false },
      ]);
      const another = insertion({ ...token, contract_address: addressOf(0xadd) }, 1, ipo);
      await expect(client.query(another)).rejects.toThrow(
        `master ${masterId} has another contract than ${addressOf(0xadd)} on chain 8453`,
      );
    });
  },
);

test('a user without rights on contracts inserts a token of a new contract, and cannot use the function by itself', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    await createBackend(client);
    await migrateUp(db);
    const { masterId } = await insertArtist(client, 'new');
    const ipo = await insertRow(client, 'master_ipos', { master_id: masterId, total_supply: 9 });
    const token = { master_id: masterId, chain_id: '8453', contract_address: OTHER };
    // The rollback removes the role. Otherwise it would exist for all databases of the server.
    await client.query('begin; create role token_writer; grant insert on master_nfts to token_writer');
    await client.query('grant create on schema public to token_writer; set local role token_writer; savepoint start');
    await client.query('create table own (like pg_class)');
    await expect(
      client.query('create trigger own before insert on own for each row execute function fill_master_nft_links()'),
    ).rejects.toThrow(/permission denied for function fill_master_nft_links/);
    await client.query('rollback to savepoint start');
    await client.query(insertion(token, 1, ipo));
    await client.query('reset role');
    expect(await contractsOf(client, masterId)).toEqual([
      { chain_id: '8453', address: OTHER.toLowerCase(), tokens: 1, followed: true },
    ]);
    await client.query('rollback');
  });
});

test('contracts that the platform wrote in checksum case are those of their tokens', async () => {
  await withDatabase(createEmptyDatabase(), async (client, db) => {
    const { masterId, ipoId } = await createBackend(client);
    await client.query(`
      create table master_contracts (id uuid primary key default gen_random_uuid(), master_id uuid not null references masters,
        chain_id varchar(50) not null, contract_address varchar(255) not null)`);
    const contract = { master_id: masterId, chain_id: '8453', contract_address: CHECKSUM_ADDRESS };
    const contractId = await insertRow(client, 'master_contracts', contract);
    const { rows } = await client.query('select count(*)::int as tokens from master_nfts');
    await adoptTables(
      db,
      () => undefined,
      async () => false,
    );
    // The migrations lower-case the row later.
    const shouted = CHECKSUM_ADDRESS.toUpperCase().replace('X', 'x');
    await client.query(insertion({ ...contract, contract_address: shouted }, rows[0].tokens + 1, ipoId));
    await migrateUp(db);
    const linked = await client.query('select distinct master_contract_id as id from master_nfts');
    expect(linked.rows).toEqual([{ id: contractId }]);
    expect(await contractsOf(client, masterId)).toEqual([
      { chain_id: '8453', address: LOWER, tokens: rows[0].tokens + 1, followed: true },
    ]);
  });
});
