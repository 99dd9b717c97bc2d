import type pg from 'pg';
import { parseAbi } from 'viem';
import { expect, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { commitStart } from '../../indexer/ingest/commit-head.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { repairRange } from '../../indexer/ingest/prove.ts';
import { type BlockHeader, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { addressOf, blockHashOf, encodeEvent, hexOf, logOf } from '../kit/event-logs.ts';
import { insertArtist, insertRow } from '../kit/platform-rows.ts';
import { createDatabase } from '../kit/postgres.ts';
import { settleStages } from '../kit/settle-stages.ts';
import { withDatabase } from '../kit/with-database.ts';

const [nft, revenue, erc20] = parseAbi([
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'event RevenueDeposited(uint256 amount, address token, uint256 timestamp)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
]);
const MASTER = addressOf(0xa1);
const DIVIDEND = addressOf(0xd1);
const TOKEN = addressOf(0xe1);
const [ALICE, BOB] = [addressOf(0x1), addressOf(0x2)];

const header = (number: number): BlockHeader => ({
  number,
  hash: blockHashOf(number),
  parentHash: blockHashOf(number - 1),
  timestamp: 1_700_000_000 + number,
  logsBloom: '0x',
});

const LOGS: readonly RawLog[] = [
  logOf({
    address: MASTER,
    blockNumber: 5,
    logIndex: 0,
    ...encodeEvent(nft, { from: ZERO_ADDRESS, to: ALICE, tokenId: 7n }),
  }),
  logOf({
    address: DIVIDEND,
    blockNumber: 6,
    logIndex: 0,
    transactionHash: hexOf(6, 64),
    ...encodeEvent(revenue, { amount: 100n, token: ZERO_ADDRESS, timestamp: 1n }),
  }),
  logOf({
    address: TOKEN,
    blockNumber: 7,
    logIndex: 0,
    ...encodeEvent(erc20, { from: ZERO_ADDRESS, to: BOB, value: 40n }),
  }),
];

/** Inserts what the platform's former indexer wrote (facts without a block hash, sums, an owner) and a link of the platform's own. */
async function insertFormerRows(client: pg.Client): Promise<{ revenueId: string }> {
  const { artistId, masterId } = await insertArtist(client, 'one');
  const place = { chain_id: '1', block_timestamp: new Date(0) };
  const contractId = await insertRow(client, 'master_contracts', {
    master_id: masterId,
    chain_id: '1',
    contract_address: MASTER,
    deployed_at_block: 1,
    contract_total_supply: 99,
    contract_royalty_bps: 750,
    first_minter_wallet: BOB,
  });
  const dividendId = await insertRow(client, 'dividend_contracts', {
    master_id: masterId,
    distribution_model: 'per_master',
    chain_id: '1',
    contract_address: DIVIDEND,
    deployed_at_block: 1,
    total_revenue_deposited: 5555,
  });
  const tokenId = await insertRow(client, 'artist_tokens', {
    artist_id: artistId,
    chain_id: '1',
    contract_address: TOKEN,
    name: 'T',
    symbol: 'T',
    total_supply: 1234,
    holders_count: 3,
    deployed_at_block: 1,
  });
  await insertRow(client, 'token_holders', {
    artist_token_id: tokenId,
    wallet_address: BOB,
    chain_id: '1',
    balance: 777,
  });
  const nftId = await insertRow(client, 'master_nfts', {
    master_id: masterId,
    master_contract_id: contractId,
    token_id: 7,
    chain_id: '1',
    contract_address: MASTER,
    current_owner_wallet: BOB,
    original_minter_wallet: BOB,
    listing_status: 'listed',
    listing_price_wei: 5,
  });
  await insertRow(client, 'nft_transfers', {
    ...place,
    master_nft_id: nftId,
    master_id: masterId,
    token_id: 7,
    contract_address: MASTER,
    from_wallet: ZERO_ADDRESS,
    to_wallet: BOB,
    tx_hash: hexOf(1, 64),
    block_number: 5,
    log_index: 0,
    transfer_type: 'mint',
  });
  const revenueId = await insertRow(client, 'revenue_events', {
    master_id: masterId,
    source_type: 'manual',
    amount: 1,
    currency: 'usd',
  });
  await insertRow(client, 'dividend_events', {
    ...place,
    dividend_contract_id: dividendId,
    event_type: 'deposit',
    contract_address: DIVIDEND,
    tx_hash: hexOf(6, 64),
    block_number: 6,
    log_index: 0,
    total_amount: 1,
    currency: 'ETH',
    revenue_event_id: revenueId,
  });
  return { revenueId };
}

test('rows of a former indexer are replaced by what the chain says, and links of the platform are kept, also in a repair', async () => {
  const created = await createDatabase();
  await withDatabase(Promise.resolve(created), async (client) => {
    const { revenueId } = await insertFormerRows(client);
    const database = openDatabase({ url: created.url });
    try {
      const followed = await followedContracts(database, 1);
      expect(followed.former.map(({ kind }) => kind).sort()).toEqual(['dividend', 'master']);
      await commitStart(database, await readChain(database.kysely, 1), header(10), 10);
      const seen = await readChain(database.kysely, 1);
      const range = { chainId: 1, from: 1, to: 10, logs: LOGS, headers: [1, 5, 6, 7, 10].map(header) };
      const batch = encodeBatch(decodeRange(range, contractIndex(followed.contracts), new Map()), factTables);
      const pieces = [{ seen, range, batch }];
      const commit = { pieces, contracts: followed.contracts, former: followed.former };
      expect(await commitFill(database, commit)).toMatchObject({ facts: 3 });
      expect(await commitFill(database, commit)).toMatchObject({ facts: 0 });
      await client.query('update dividend_events set total_amount = 7');
      await client.query('update dividend_contracts set total_revenue_deposited = 7');
      const full = { seen, range: { ...range, unprovedBlocks: [6] }, batch, contracts: followed.contracts };
      const cause = { cause: 'proof', endpoints: [] };
      await expect(repairRange(database, full, cause)).rejects.toThrow('lack a log that is stored');
      expect(await repairRange(database, { ...full, range }, cause)).toEqual({ added: 1, removed: 1 });
      await settleStages(database, [1]);
    } finally {
      await database.close();
    }
    const rows = async (query: string) => (await client.query(query)).rows;
    expect(await rows('select to_wallet, block_hash from nft_transfers')).toEqual([
      { to_wallet: ALICE, block_hash: blockHashOf(5) },
    ]);
    expect(await rows('select total_amount, currency, revenue_event_id from dividend_events')).toEqual([
      { total_amount: '100', currency: ZERO_ADDRESS, revenue_event_id: revenueId },
    ]);
    expect(
      await rows(
        'select current_owner_wallet, original_minter_wallet, listing_status, listing_price_wei, is_first_minter from master_nfts',
      ),
    ).toEqual([
      {
        current_owner_wallet: ALICE,
        original_minter_wallet: ALICE,
        listing_status: 'listed',
        listing_price_wei: '5',
        is_first_minter: true,
      },
    ]);
    expect(
      await rows(
        'select contract_total_supply, contract_royalty_bps, current_supply, minted_supply, first_minter_wallet from master_contracts',
      ),
    ).toEqual([
      {
        contract_total_supply: '99',
        contract_royalty_bps: '750',
        current_supply: '1',
        minted_supply: '1',
        first_minter_wallet: ALICE,
      },
    ]);
    expect(await rows('select total_revenue_deposited from dividend_contracts')).toEqual([
      { total_revenue_deposited: '100' },
    ]);
    expect(await rows('select total_supply, holders_count from artist_tokens')).toEqual([
      { total_supply: '40', holders_count: '1' },
    ]);
    expect(await rows('select wallet_address, balance from token_holders')).toEqual([
      { wallet_address: BOB, balance: '40' },
    ]);
  });
});
