import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { migrateUp } from '../../indexer/db/migrate.ts';
import { CHECKSUM_ADDRESS, insertArtist, insertRow } from '../kit/platform-rows.ts';
import { createDatabase } from '../kit/postgres.ts';
import { onEachVersion } from '../kit/versions.ts';
import { withDatabase } from '../kit/with-database.ts';

const LOWER = CHECKSUM_ADDRESS.toLowerCase();
const OTHER = `0x${'Cd'.repeat(20)}`;
const POOL = `0x${'Ef'.repeat(20)}`;

async function contracts(client: pg.Client): Promise<Record<string, unknown>[]> {
  const { rows } = await client.query(`
    select chain_id, address, kind, platform_id, abi_version, deployed_at_block, status
    from indexer.contracts order by chain_id, kind, address
  `);
  return rows;
}

/** Returns the payloads of the notifications that arrive while `act` runs. */
async function notifications(client: pg.Client, act: () => Promise<unknown>): Promise<(string | undefined)[]> {
  const payloads: (string | undefined)[] = [];
  const recordPayload = ({ payload }: pg.Notification) => payloads.push(payload);
  client.on('notification', recordPayload);
  await client.query('listen indexer_contracts');
  await act();
  await client.query('select');
  client.off('notification', recordPayload);
  return payloads;
}

/** Inserts a row with addresses in checksum case into each registry table. Returns the ids. */
async function insertContractOfEachKind(client: pg.Client) {
  const { artistId, masterId } = await insertArtist(client, 'one');
  const master = await insertRow(client, 'master_contracts', {
    master_id: masterId,
    chain_id: '1',
    contract_address: CHECKSUM_ADDRESS,
    deployment_tx_hash: `0x${'AB'.repeat(32)}`,
    deployed_at_block: 1234,
    abi_version: '1.1',
  });
  const dividend = await insertRow(client, 'dividend_contracts', {
    master_id: masterId,
    distribution_model: 'per_master',
    chain_id: '137',
    contract_address: CHECKSUM_ADDRESS,
    linked_master_contract: OTHER,
  });
  const token = await insertRow(client, 'artist_tokens', {
    artist_id: artistId,
    chain_id: '1',
    contract_address: OTHER,
    name: 'Token',
    symbol: 'TKN',
  });
  const pool = await insertRow(client, 'liquidity_pools', {
    artist_token_id: token,
    chain_id: '1',
    pool_address: POOL,
    pool_type: 'uniswap_v2',
    token0_address: OTHER,
    token1_address: CHECKSUM_ADDRESS,
    created_at_block: 99,
  });
  return { master, dividend, token, pool };
}

await onEachVersion((emptyDatabase) => {
  test('a row inserted into any registry table registers its contract in lower case', async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      await migrateUp(db);
      const { master, dividend, token, pool } = await insertContractOfEachKind(client);
      const active = { abi_version: '1.0', deployed_at_block: null, status: 'active' };
      expect(await contracts(client)).toEqual([
        { ...active, chain_id: '1', address: OTHER.toLowerCase(), kind: 'artist_token', platform_id: token },
        {
          ...active,
          chain_id: '1',
          address: LOWER,
          kind: 'master',
          platform_id: master,
          abi_version: '1.1',
          deployed_at_block: '1234',
        },
        {
          ...active,
          chain_id: '1',
          address: POOL.toLowerCase(),
          kind: 'pool',
          platform_id: pool,
          deployed_at_block: '99',
        },
        { ...active, chain_id: '137', address: LOWER, kind: 'dividend', platform_id: dividend },
      ]);
      const { rows } = await client.query(`
        select m.contract_address, m.deployment_tx_hash, d.linked_master_contract, p.token0_address, p.token1_address,
          p.reserve0, p.reserve1, t.total_supply
        from master_contracts m, dividend_contracts d, liquidity_pools p, artist_tokens t
      `);
      expect(rows).toEqual([
        {
          contract_address: LOWER,
          deployment_tx_hash: `0x${'ab'.repeat(32)}`,
          linked_master_contract: OTHER.toLowerCase(),
          token0_address: OTHER.toLowerCase(),
          token1_address: LOWER,
          reserve0: '0',
          reserve1: '0',
          total_supply: '0',
        },
      ]);
    });
  });

  test('a role without rights on the machinery registers contracts too', async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      await migrateUp(db);
      const { masterId } = await insertArtist(client, 'one');
      const role = `platform_${randomBytes(6).toString('hex')}`;
      await client.query(`create role ${role}`);
      try {
        await client.query(`grant select, insert, update on all tables in schema public to ${role}`);
        await client.query(`set role ${role}`);
        await expect(client.query('select from indexer.contracts')).rejects.toThrow(/permission denied for schema/);
        await insertRow(client, 'master_contracts', {
          master_id: masterId,
          chain_id: '1',
          contract_address: CHECKSUM_ADDRESS,
        });
        await insertRow(client, 'master_ipos', { master_id: masterId, total_supply: 10 });
        await client.query('reset role');
        expect(await contracts(client)).toMatchObject([{ address: LOWER }]);
      } finally {
        await client.query(`reset role; drop owned by ${role}; drop role ${role}`);
      }
    });
  });
});

test('a registration that fails never fails the insert', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { masterId } = await insertArtist(client, 'one');
    const warnings: string[] = [];
    client.on('notice', ({ message }) => warnings.push(message ?? ''));
    await insertRow(client, 'master_contracts', { master_id: masterId, chain_id: '1', contract_address: 'no address' });
    expect(warnings).toEqual([expect.stringContaining('could not register no address of chain 1')]);
    await client.query('alter table indexer.contracts rename to elsewhere');
    await insertRow(client, 'master_contracts', { master_id: masterId, chain_id: '2', contract_address: OTHER });
    expect(warnings).toHaveLength(2);
    expect((await client.query('select from master_contracts')).rowCount).toBe(2);
  });
});

test('contracts of non-EVM chains are left unchanged and not registered', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { masterId } = await insertArtist(client, 'one');
    const address = '7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV';
    const payloads = await notifications(client, async () => {
      for (const chain of ['solana', 'solana:mainnet', '0x1', '', '12345678901234567890']) {
        await insertRow(client, 'master_contracts', {
          master_id: masterId,
          chain_id: chain,
          contract_address: address,
        });
      }
    });
    expect(payloads).toEqual([]);
    expect(await contracts(client)).toEqual([]);
    expect((await client.query('select distinct contract_address from master_contracts')).rows).toEqual([
      { contract_address: address },
    ]);
  });
});

test('a listening daemon is notified of a contract and of an IPO', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { masterId } = await insertArtist(client, 'one');
    const contract = { master_id: masterId, chain_id: '31337', contract_address: OTHER };
    expect(await notifications(client, () => insertRow(client, 'master_contracts', contract))).toEqual(['31337']);
    const ipo = { master_id: masterId, total_supply: 10 };
    expect(await notifications(client, () => insertRow(client, 'master_ipos', ipo))).toEqual(['ipo']);
    // The columns that the indexer itself updates fire no trigger.
    const folding = () =>
      client.query('update master_contracts set minted_supply = 1, first_minter_wallet = $1', [OTHER]);
    expect(await notifications(client, folding)).toEqual([]);
  });
});

test('a contract whose address changes is registered at the new address', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { masterId } = await insertArtist(client, 'one');
    const id = await insertRow(client, 'master_contracts', {
      master_id: masterId,
      chain_id: 'pending',
      contract_address: CHECKSUM_ADDRESS,
    });
    expect(await contracts(client)).toEqual([]);
    await client.query(`update master_contracts set chain_id = '10'`);
    await client.query('update master_contracts set contract_address = $1', [OTHER]);
    expect(await contracts(client)).toMatchObject([
      { chain_id: '10', address: LOWER, platform_id: id },
      { chain_id: '10', address: OTHER.toLowerCase(), platform_id: id },
    ]);
    expect((await client.query('select contract_address from master_contracts')).rows).toEqual([
      { contract_address: OTHER.toLowerCase() },
    ]);
  });
});

test('a row that is deleted and inserted again is registered without coverage under its new id', async () => {
  await withDatabase(createDatabase(), async (client) => {
    const { masterId } = await insertArtist(client, 'one');
    const contract = { master_id: masterId, chain_id: '1', contract_address: OTHER };
    await insertRow(client, 'master_contracts', contract);
    await client.query(`update indexer.contracts set covered = '{[1,5)}', prepared_at = now()`);
    await client.query('delete from master_contracts');
    const id = await insertRow(client, 'master_contracts', contract);
    const { rows } = await client.query('select platform_id, covered, prepared_at from indexer.contracts');
    expect(rows).toEqual([{ platform_id: id, covered: '{}', prepared_at: null }]);
  });
});
