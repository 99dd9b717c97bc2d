import { type AbiEvent, encodeAbiParameters } from 'viem';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { TokenUriReader } from '../../indexer/metadata/token-uri-reader.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { addressOf, encodeEvent, hexOf } from '../kit/event-logs.ts';
import { announce } from '../kit/music.ts';
import { EVENT_ABIS } from '../kit/oracle/events.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';
import { sourceFixture } from '../kit/source-fixture.ts';

const CHAIN = 31_337;
const MASTER = addressOf(0xa1);
const [ALICE, ZERO] = [addressOf(0xa), addressOf(0)];
const HEAD = 100;
const signal = new AbortController().signal;
const text = (value: string): Hex => encodeAbiParameters([{ type: 'string' }], [value]);

const fixture = sourceFixture();
let created: TestDatabase;
let database: Database;
let chain: Chain;
let reader: TokenUriReader;
let masterId: string;
/** How much later each reading of the clock is. By default one hour, so that no pause lasts. */
let clockStepMs: number;
/** The tokens that were asked for, in order. */
let asked: bigint[];
/** What the contract answers. */
let answer: (tokenId: bigint) => Hex;

beforeEach(async () => {
  created = await createDatabase();
  database = openDatabase({ url: created.url });
  const artist = await insertArtist(database.pool);
  masterId = await announce(database.pool, artist, { kind: 'master', chainId: CHAIN, address: MASTER, block: 1 });
  await database.pool.query(
    'insert into indexer.chains (chain_id, head_number, head_hash, finalized_number) values ($1, $2, $3, $4)',
    [CHAIN, HEAD, '0x01', HEAD - 10],
  );
  chain = new Chain();
  chain.mine(HEAD + 50);
  asked = [];
  answer = (tokenId) => text(`ipfs://${tokenId}`);
  chain.call = (_, data) => {
    const tokenId = BigInt(`0x${data.slice(10)}`);
    asked.push(tokenId);
    return answer(tokenId);
  };
  const source = fixture.open([(await fixture.serve(chain)).url], { attempts: 1 });
  const log = createLogger({ level: 'silent', redact: (line) => line, sink: process.stderr, pretty: false });
  let now = 0;
  clockStepMs = 3_600_000;
  const runtime = { now: () => (now += clockStepMs), random: () => 0 };
  reader = new TokenUriReader({ database, chainId: CHAIN, source, log, runtime });
});

afterEach(async () => {
  await database.close();
  await created.drop();
});

const rows = async (query: string) => (await database.pool.query(query)).rows;

async function insertTokens(from: number, to: number, owner: Hex = ALICE): Promise<void> {
  await database.pool.query(
    `insert into master_nfts (master_id, master_contract_id, token_id, chain_id, contract_address, current_owner_wallet,
      original_minter_wallet, last_position)
    select master_id, id, token, chain_id, contract_address, $3, $4, 1 from master_contracts, generate_series($1::int, $2::int) token`,
    [from, to, owner, ALICE],
  );
}

/** Records an event of the master in a block, as a commit does. */
async function insertEvent(
  name: 'MetadataUpdate' | 'BatchMetadataUpdate',
  args: Record<string, bigint>,
  block: number,
) {
  encodeEvent(EVENT_ABIS[name] as AbiEvent, args); // fails unless the arguments are those of the event
  const named = JSON.stringify(Object.fromEntries(Object.entries(args).map(([key, value]) => [key, String(value)])));
  await database.pool.query(
    `insert into indexer.contract_events
      (id, chain_id, address, kind, event, arguments, tx_hash, block_number, block_hash, log_index, block_timestamp)
    select gen_random_uuid(), $1, $2, 'master', $3, $4, $5, $6, $5, count(*), now() from indexer.contract_events`,
    [CHAIN, MASTER, name, named, hexOf(1, 64), block],
  );
}

const moveHead = (number: number) => database.pool.query('update indexer.chains set head_number = $1', [number]);

/** Runs steps until there is nothing to read. */
async function readAll(): Promise<void> {
  let idle = 0;
  for (let step = 0; idle < 3; step++) {
    if (step > 500) throw new Error('the reader does not come to an end');
    idle = (await reader.step(signal)) ? 0 : idle + 1;
  }
}

const uris = async () =>
  Object.fromEntries(
    (await rows('select token_id::int, token_uri from master_nfts order by token_id')).map((row) => [
      row.token_id,
      row.token_uri,
    ]),
  );

test('every token that exists gets the URI that its contract answers, and burnt tokens are not asked', async () => {
  await insertTokens(1, 250);
  await insertTokens(251, 255, ZERO);
  await readAll();
  const found = await uris();
  for (let token = 1; token <= 250; token++) expect(found[token]).toBe(`ipfs://${token}`);
  for (let token = 251; token <= 255; token++) expect(found[token]).toBeNull();
  expect(asked).toHaveLength(250);
  await insertTokens(300, 301);
  await readAll();
  expect((await uris())[301]).toBe('ipfs://301');
  expect(asked).toHaveLength(252);
});

test('a sweep is followed by a pause, but not by one of minutes if the database slowed it down', async () => {
  clockStepMs = 60_000;
  expect(await reader.step(signal)).toBe(false);
  await insertTokens(1, 2);
  clockStepMs = 1;
  expect(await reader.step(signal)).toBe(false);
  clockStepMs = 5_000;
  await readAll();
  expect(await uris()).toEqual({ 1: 'ipfs://1', 2: 'ipfs://2' });
});

test('hostile answers are bounded, and the others are stored', async () => {
  await insertTokens(1, 8);
  answer = (tokenId) => {
    if (tokenId === 1n) throw new RpcFault(3, 'execution reverted');
    if (tokenId === 2n) return '0x';
    if (tokenId === 3n) return text('x'.repeat(1_000_000));
    if (tokenId === 4n) return `0x${'11'.repeat(5 * 1024 * 1024)}`;
    if (tokenId === 5n) return text('ipfs://\u0000five\n');
    if (tokenId === 6n) return encodeAbiParameters([{ type: 'bytes' }], ['0x61ff']);
    if (tokenId === 7n) return text('data:application/json;base64,e30=');
    return text('ipfs://8');
  };
  await readAll();
  expect(await uris()).toEqual({
    ...{ 1: null, 2: null, 3: null, 4: null },
    ...{ 5: 'ipfs://five', 6: 'a\ufffd', 7: 'data:application/json;base64,e30=', 8: 'ipfs://8' },
  });
  const reasons = await rows('select token_id::int, failures, reason from indexer.token_uri_retries order by token_id');
  expect(reasons).toEqual([
    { token_id: 1, failures: 1, reason: expect.stringContaining('reverts') },
    { token_id: 2, failures: 1, reason: 'the contract answers no text' },
    { token_id: 3, failures: 1, reason: 'the URI is longer than 65536 bytes' },
    { token_id: 4, failures: 1, reason: expect.stringContaining('larger than 4 MiB') },
  ]);
});

test('a token that fails is asked again at growing intervals, until it answers', async () => {
  await insertTokens(1, 1);
  answer = () => {
    throw new RpcFault(3, 'execution reverted');
  };
  const seconds: number[] = [];
  for (let attempt = 1; attempt <= 8; attempt++) {
    await readAll();
    expect(asked).toHaveLength(attempt);
    const [row] = await rows(
      'select failures, extract(epoch from retry_at - now())::float8 as seconds from indexer.token_uri_retries',
    );
    expect(row.failures).toBe(attempt);
    seconds.push(row.seconds);
    await database.pool.query('update indexer.token_uri_retries set retry_at = now()');
  }
  const expected = [600, 2_400, 9_600, 38_400, 153_600, 614_400, 2_457_600, 2_592_000];
  for (const [at, interval] of expected.entries()) {
    expect(seconds[at]).toBeLessThanOrEqual(interval);
    expect(seconds[at]).toBeGreaterThan(interval - 300);
  }
  answer = () => text('late');
  await readAll();
  expect(await uris()).toEqual({ 1: 'late' });
  expect(await rows('select from indexer.token_uri_retries')).toEqual([]);
});

describe('an update of metadata', () => {
  beforeEach(async () => {
    await insertTokens(1, 30);
    await insertEvent('MetadataUpdate', { _tokenId: 3n }, HEAD);
    await readAll();
    asked.length = 0;
    answer = (tokenId) => text(`new ${tokenId}`);
  });

  test('of one token has that token read again', async () => {
    await insertEvent('MetadataUpdate', { _tokenId: 7n }, HEAD + 1);
    await insertEvent('MetadataUpdate', { _tokenId: 99n }, HEAD + 1);
    await moveHead(HEAD + 1);
    await readAll();
    expect(asked, 'token 99 does not exist').toEqual([7n]);
    expect((await uris())[7]).toBe('new 7');
    expect(await rows('select from indexer.token_uri_retries')).toEqual([]);
  });

  test('of a huge range has the tokens of it that exist read again, and is one row', async () => {
    await insertEvent('BatchMetadataUpdate', { _fromTokenId: 11n, _toTokenId: 2n ** 256n - 1n }, HEAD + 1);
    await moveHead(HEAD + 1);
    await reader.step(signal);
    expect(await rows('select next_token::int from indexer.token_uri_ranges')).toEqual([{ next_token: 21 }]);
    await readAll();
    expect([...asked].sort((a, b) => Number(a - b))).toEqual(Array.from({ length: 20 }, (_, at) => BigInt(at + 11)));
    expect(await rows('select from indexer.token_uri_ranges')).toEqual([]);
    expect((await uris())[30]).toBe('new 30');
  });

  test('in every block does not keep a range from being read to its end', async () => {
    const everything = { _fromTokenId: 0n, _toTokenId: 2n ** 256n - 1n };
    for (let block = HEAD + 1; block <= HEAD + 6; block++) {
      await insertEvent('BatchMetadataUpdate', everything, block);
      await moveHead(block);
      await reader.step(signal);
      expect((await rows('select from indexer.token_uri_ranges')).length).toBeLessThanOrEqual(2);
    }
    expect(new Set(asked).size).toBe(30);
  });

  test('that goes backwards or reverts changes nothing', async () => {
    answer = () => {
      throw new RpcFault(3, 'execution reverted');
    };
    await insertEvent('BatchMetadataUpdate', { _fromTokenId: 9n, _toTokenId: 1n }, HEAD + 1);
    await insertEvent('MetadataUpdate', { _tokenId: 7n }, HEAD + 1);
    await moveHead(HEAD + 1);
    await readAll();
    expect(asked).toEqual([7n]);
    expect((await uris())[7]).toBe('ipfs://7');
  });
});

test('after a reorg, the tokens that were read above the common ancestor are read again, and so are its updates', async () => {
  await insertTokens(1, 3);
  await readAll();
  await moveHead(HEAD + 5);
  await insertEvent('MetadataUpdate', { _tokenId: 2n }, HEAD + 5);
  answer = () => text('of the lost branch');
  await readAll();
  expect(await uris()).toEqual({ 1: 'ipfs://1', 2: 'of the lost branch', 3: 'ipfs://3' });
  // The update is unwound, and another one comes in a block that is not higher.
  await database.pool.query(`
    delete from indexer.contract_events;
    update indexer.chains set epoch = epoch + 1, head_number = ${HEAD + 2};
    insert into indexer.reorgs (chain_id, epoch, from_number, from_hash, to_number, depth, reason, facts_removed)
    values (${CHAIN}, 1, ${HEAD + 5}, '0x01', ${HEAD + 1}, 4, 'reorg', 1)`);
  await insertEvent('MetadataUpdate', { _tokenId: 3n }, HEAD + 2);
  asked.length = 0;
  answer = (tokenId) => text(`kept ${tokenId}`);
  await readAll();
  expect([...asked].sort()).toEqual([2n, 3n]);
  expect(await uris()).toEqual({ 1: 'ipfs://1', 2: 'kept 2', 3: 'kept 3' });
  await database.pool.query(
    `update indexer.chains set finalized_number = ${HEAD + 2}; delete from indexer.contract_events`,
  );
  await insertTokens(4, 4);
  await readAll();
  expect(await rows('select from indexer.token_uri_reads'), 'a final block is not unwound').toEqual([]);
});

test('a token that makes the endpoint fail is left for later, and the others are read', async () => {
  await insertTokens(1, 5);
  answer = (tokenId) => {
    if (tokenId === 3n) throw new RpcFault(-32603, 'the attic is empty');
    return text(`ipfs://${tokenId}`);
  };
  const isLeft = async () => (await rows('select from indexer.token_uri_retries')).length > 0;
  for (let step = 0; step < 100 && (asked.length < 5 || !(await isLeft())); step++) {
    await reader.step(signal).catch(() => undefined);
  }
  await readAll();
  expect(await uris()).toEqual({ 1: 'ipfs://1', 2: 'ipfs://2', 3: null, 4: 'ipfs://4', 5: 'ipfs://5' });
  expect(await rows('select token_id::int, reason from indexer.token_uri_retries')).toEqual([
    { token_id: 3, reason: expect.stringContaining('the attic is empty') },
  ]);
});

test('only followed masters are asked', async () => {
  await insertTokens(1, 3);
  await database.pool.query(`update indexer.contracts set status = 'removed'`);
  await readAll();
  expect(asked).toEqual([]);
  expect(masterId).toBeDefined();
});
