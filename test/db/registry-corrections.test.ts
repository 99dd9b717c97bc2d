import { parseAbi } from 'viem';
import { expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import { migrateDown, migrateUp } from '../../indexer/db/migrate.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { commitHead, commitStart } from '../../indexer/ingest/commit-head.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import type { RegisteredContract } from '../../indexer/registry/contracts.ts';
import { addressOf, encodeEvent, headerOf, logOf } from '../kit/event-logs.ts';
import { insertArtist, insertRow } from '../kit/platform-rows.ts';
import { createDatabase } from '../kit/postgres.ts';
import { withDatabase } from '../kit/with-database.ts';

const [transfer] = parseAbi(['event Transfer(address indexed from, address indexed to, uint256 value)']);
const [A, B, ALICE] = [addressOf(0xa), addressOf(0xb), addressOf(0x1)];

/** Returns a block in which `token` mints, decoded for `contracts`. */
function mintOf(contracts: readonly RegisteredContract[], number: number, token: Hex, value: bigint) {
  const logs = [
    logOf({ address: token, blockNumber: number, ...encodeEvent(transfer, { from: ZERO_ADDRESS, to: ALICE, value }) }),
  ];
  const range = { chainId: 1, from: number, to: number, headers: [headerOf(number)], logs };
  return { range, batch: encodeBatch(decodeRange(range, contractIndex(contracts), new Map()), factTables) };
}

/** Commits the next block at the head, in which `token` mints. */
async function followMint(database: Database, number: number, token: Hex, value: bigint): Promise<void> {
  const { contracts, joining } = await followedContracts(database, 1);
  const seen = await readChain(database.kysely, 1);
  await commitHead(database, { seen, ...mintOf(contracts, number, token, value), finalized: 0, joining });
}

function insertTokenAgain(artistId: string): string {
  return `
    insert into artist_tokens (artist_id, chain_id, contract_address, name, symbol, total_supply)
    values ('${artistId}', '1', '${A}', 'T', 'T', 5)`;
}

async function withToken(
  work: (scene: {
    database: Database;
    rows: (query: string) => Promise<unknown[]>;
    artistId: string;
    tokenId: string;
    anotherArtist: () => Promise<string>;
  }) => Promise<void>,
): Promise<void> {
  const created = await createDatabase();
  await withDatabase(Promise.resolve(created), async (client) => {
    const database = openDatabase({ url: created.url });
    try {
      const { artistId } = await insertArtist(client, 'one');
      const tokenId = await insertRow(client, 'artist_tokens', {
        artist_id: artistId,
        chain_id: '1',
        contract_address: A,
        name: 'T',
        symbol: 'T',
        total_supply: 0,
      });
      await commitStart(database, await readChain(database.kysely, 1), headerOf(10), 10);
      const anotherArtist = async () => (await insertArtist(client, 'two')).artistId;
      const rows = async (query: string) => (await client.query(query)).rows;
      await work({ database, rows, artistId, tokenId, anotherArtist });
    } finally {
      await database.close();
    }
  });
}

test('correcting an address deletes the facts and state of the wrong one', async () => {
  await withToken(async ({ database, rows }) => {
    await followMint(database, 11, A, 70n);
    await rows(`update artist_tokens set contract_address = '${B}'`);
    await followMint(database, 12, B, 3n);
    expect(await rows('select contract_address, value from token_transfers')).toEqual([
      { contract_address: B, value: '3' },
    ]);
    expect(await rows('select wallet_address, balance from token_holders where balance <> 0')).toEqual([
      { wallet_address: ALICE, balance: '3' },
    ]);
    expect(await rows('select total_supply, holders_count from artist_tokens')).toEqual([
      { total_supply: '3', holders_count: '1' },
    ]);
    expect(await rows('select address, status, live_from, covered from indexer.contracts order by address')).toEqual([
      { address: A, status: 'removed', live_from: null, covered: '{}' },
      { address: B, status: 'active', live_from: '12', covered: '{}' },
    ]);
  });
});

test('a contract whose row the platform deleted does not stop the chain, and is followed again once the platform inserts it again', async () => {
  await withToken(async ({ database, rows, artistId }) => {
    await followedContracts(database, 1);
    await rows('delete from artist_tokens');
    await followMint(database, 11, A, 70n);
    expect(await rows('select status from indexer.contracts')).toEqual([{ status: 'quarantined' }]);
    await rows(insertTokenAgain(artistId));
    await followMint(database, 12, A, 1n);
    expect(await rows('select status, live_from from indexer.contracts')).toEqual([
      { status: 'active', live_from: '12' },
    ]);
    expect(await rows('select total_supply from artist_tokens')).toEqual([{ total_supply: '1' }]);
  });
});

test('logs read before the platform deleted and inserted a contract again are not written', async () => {
  await withToken(async ({ database, rows, artistId }) => {
    const { contracts } = await followedContracts(database, 1);
    const seen = await readChain(database.kysely, 1);
    const stale = mintOf(contracts, 5, A, 70n);
    await rows('delete from artist_tokens');
    await rows(insertTokenAgain(artistId));
    const contractsNow = (await followedContracts(database, 1)).contracts;
    expect(await commitFill(database, { pieces: [{ seen, ...stale }], contracts })).toMatchObject({ facts: 0, to: 5 });
    expect(await rows('select covered from indexer.contracts')).toEqual([{ covered: '{}' }]);
    await commitFill(database, { pieces: [{ seen, ...mintOf(contractsNow, 5, A, 70n) }], contracts: contractsNow });
    expect(await rows('select total_supply, holders_count from artist_tokens')).toEqual([
      { total_supply: '70', holders_count: '1' },
    ]);
  });
});

test('a token that the platform deleted with its holders keeps no old transfers once it is inserted again', async () => {
  await withToken(async ({ database, rows, artistId }) => {
    await followMint(database, 11, A, 70n);
    await rows('delete from token_holders');
    await rows('delete from artist_tokens');
    await rows(insertTokenAgain(artistId));
    await followMint(database, 12, A, 1n);
    const { contracts } = await followedContracts(database, 1);
    const seen = await readChain(database.kysely, 1);
    await commitFill(database, { pieces: [{ seen, ...mintOf(contracts, 11, A, 70n) }], contracts });
    expect(await rows('select total_supply, holders_count from artist_tokens')).toEqual([
      { total_supply: '71', holders_count: '1' },
    ]);
  });
});

test.each([
  { when: 'after both addresses were followed', follow: true },
  { when: 'before the other address was followed', follow: false },
])('an address that is corrected and corrected back starts without facts ($when)', async ({ follow }) => {
  await withToken(async ({ database, rows }) => {
    await followMint(database, 11, A, 70n);
    await rows(`update artist_tokens set contract_address = '${B}'`);
    if (follow) await followMint(database, 12, B, 3n);
    await rows(`update artist_tokens set contract_address = '${A}'`);
    await followMint(database, follow ? 13 : 12, A, 1n);
    expect(await rows('select contract_address, value from token_transfers')).toEqual([
      { contract_address: A, value: '1' },
    ]);
    const { contracts } = await followedContracts(database, 1);
    const seen = await readChain(database.kysely, 1);
    await commitFill(database, { pieces: [{ seen, ...mintOf(contracts, 11, A, 70n) }], contracts });
    expect(await rows('select total_supply, holders_count from artist_tokens')).toEqual([
      { total_supply: '71', holders_count: '1' },
    ]);
    expect(await rows('select address, status from indexer.contracts order by address')).toEqual([
      { address: A, status: 'active' },
      { address: B, status: 'removed' },
    ]);
  });
});

test('a new token at the former address of a corrected one leaves the rows of the corrected one alone', async () => {
  await withToken(async ({ database, rows, anotherArtist }) => {
    await followMint(database, 11, A, 70n);
    await rows(`update artist_tokens set contract_address = '${B}'`);
    await followMint(database, 12, B, 3n);
    await rows(insertTokenAgain(await anotherArtist()));
    await followMint(database, 13, A, 1n);
    expect(await rows('select contract_address, value from token_transfers order by block_number')).toEqual([
      { contract_address: B, value: '3' },
      { contract_address: A, value: '1' },
    ]);
  });
});

test('a token that was inserted again while the schema was older also loses the transfers of its former row', async () => {
  await withToken(async ({ database, rows, artistId }) => {
    await followMint(database, 11, A, 70n);
    await migrateDown(database.kysely, 1);
    await rows('delete from token_holders');
    await rows('delete from artist_tokens');
    await rows(insertTokenAgain(artistId));
    await migrateUp(database.kysely);
    await followMint(database, 12, A, 1n);
    expect(await rows('select value from token_transfers')).toEqual([{ value: '1' }]);
  });
});

test('a pool of an unsupported type is quarantined with the reason, and is followed once the platform corrects its type', async () => {
  await withToken(async ({ database, rows, tokenId }) => {
    await rows(`insert into liquidity_pools (artist_token_id, chain_id, pool_address, pool_type, token0_address, token1_address)
      values ('${tokenId}', '1', '${B}', 'uniswap_v3', '${A}', '${ZERO_ADDRESS}')`);
    expect((await followedContracts(database, 1)).contracts.map(({ kind }) => kind)).toEqual(['artist_token']);
    expect(await rows(`select status, status_reason from indexer.contracts where kind = 'pool'`)).toEqual([
      { status: 'quarantined', status_reason: expect.stringContaining('uniswap_v3') },
    ]);
    await rows(`update liquidity_pools set pool_type = 'uniswap_v2'`);
    expect((await followedContracts(database, 1)).joining.map(({ kind }) => kind)).toEqual(['artist_token', 'pool']);
  });
});
