import type pg from 'pg';
import { getAbiItem } from 'viem';
import { expect, test } from 'vitest';
import { erc721cV1 } from '../../abis/erc721c.v1.ts';
import type { Database } from '../../indexer/db/database.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import { commitFill } from '../../indexer/ingest/commit-fill.ts';
import { commitHead, commitStart } from '../../indexer/ingest/commit-head.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { CONSECUTIVE_TRANSFER_TOKENS_MAX } from '../../indexer/protocols/erc721c/decoders.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import type { RegisteredContract } from '../../indexer/registry/contracts.ts';
import { addressOf, encodeEvent, headerOf, logOf } from '../kit/event-logs.ts';
import { insertArtist, insertRow } from '../kit/platform-rows.ts';
import { withOpenDatabase } from '../kit/with-database.ts';

const [UNFIT, FIT, ALICE] = [addressOf(0xa), addressOf(0xb), addressOf(0x1)];
const HEAD = 10;
const transfer = getAbiItem({ abi: erc721cV1, name: 'Transfer' });
const consecutive = getAbiItem({ abi: erc721cV1, name: 'ConsecutiveTransfer' });

/** Returns two logs of a master: a mint, and one that becomes a dead letter. */
function logsOf(address: Hex, blockNumber: number, logIndex: number) {
  const minted = encodeEvent(transfer, { from: ZERO_ADDRESS, to: ALICE, tokenId: BigInt(1 + blockNumber) });
  return [
    logOf({ address, blockNumber, logIndex, ...minted }),
    logOf({ address, blockNumber, logIndex: logIndex + 1, topics: minted.topics, data: '0x00' }),
  ];
}

/** Returns two blocks in which both masters mint. In the second, one of them mints a batch that quarantines it. */
function twoBlocks(contracts: readonly RegisteredContract[], from: number) {
  const args = { fromTokenId: 1_000n, toTokenId: 1_000n + BigInt(CONSECUTIVE_TRANSFER_TOKENS_MAX) };
  const tooMany = encodeEvent(consecutive, { ...args, fromAddress: ZERO_ADDRESS, toAddress: ALICE });
  const range = { chainId: 1, from, to: from + 1, headers: [headerOf(from), headerOf(from + 1)] };
  const logs = [
    ...[...logsOf(UNFIT, from, 0), ...logsOf(FIT, from, 2)],
    ...[...logsOf(UNFIT, from + 1, 0), logOf({ address: UNFIT, blockNumber: from + 1, logIndex: 2, ...tooMany })],
    ...[...logsOf(UNFIT, from + 1, 3), ...logsOf(FIT, from + 1, 5)],
  ];
  const batch = encodeBatch(decodeRange({ ...range, logs }, contractIndex(contracts), new Map()), factTables);
  expect(batch.quarantined).toMatchObject([{ contract: { address: UNFIT }, blockNumber: from + 1 }]);
  return { range, batch };
}

/** Runs `act` on two masters that are followed from block 11 on. */
async function withMasters(act: (open: Database, db: pg.Pool) => Promise<void>): Promise<void> {
  await withOpenDatabase(async (open, db) => {
    for (const [name, address] of Object.entries({ unfit: UNFIT, fit: FIT })) {
      const client = (await db.connect()) as unknown as pg.Client & pg.PoolClient;
      const { masterId } = await insertArtist(client, name);
      const values = { master_id: masterId, chain_id: '1', contract_address: address, deployed_at_block: 5 };
      await insertRow(client, 'master_contracts', values);
      client.release();
    }
    await commitStart(open, await readChain(open.kysely, 1), headerOf(HEAD), HEAD);
    await act(open, db);
  });
}

/** Asserts that only the other contract has facts and state. */
async function expectOneContract(db: pg.Pool, quarantinedAt: number): Promise<void> {
  const facts = await db.query(
    `select contract_address as address, block_number::int as block from nft_transfers
     union all select address, block_number from indexer.dead_letters where kind = 'log' order by block`,
  );
  expect(facts.rows.map(({ address }) => address)).toEqual([FIT, FIT, FIT, FIT]);
  expect((await db.query('select distinct contract_address from master_nfts')).rows).toEqual([
    { contract_address: FIT },
  ]);
  const { rows } = await db.query('select status, quarantined_at_block from indexer.contracts order by address');
  expect(rows).toEqual([
    { status: 'quarantined', quarantined_at_block: String(quarantinedAt) },
    { status: 'active', quarantined_at_block: null },
  ]);
}

test('a contract that is quarantined at the head gets no rows of the range, and other contracts get all of theirs', async () => {
  await withMasters(async (open, db) => {
    const { contracts, joining } = await followedContracts(open, 1, { leads: true });
    const seen = await readChain(open.kysely, 1);
    const facts = await commitHead(open, { seen, ...twoBlocks(contracts, HEAD + 1), finalized: HEAD, joining });
    expect(facts).toBe(4);
    await expectOneContract(db, HEAD + 2);
  });
});

test('a contract that is quarantined in history gets no rows of the range, and other contracts get all of theirs', async () => {
  await withMasters(async (open, db) => {
    const { contracts } = await followedContracts(open, 1);
    const seen = await readChain(open.kysely, 1);
    const filled = await commitFill(open, { pieces: [{ seen, ...twoBlocks(contracts, 6) }], contracts });
    expect(filled).toMatchObject({ facts: 4, to: 7 });
    await expectOneContract(db, 7);
  });
});
