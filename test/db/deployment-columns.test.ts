import { beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../indexer/db/database.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { chainReaderOver } from '../../indexer/protocols/shared/chain-reader.ts';
import { ContractReader } from '../../indexer/registry/enrich.ts';
import { Chain, type ChainBlock } from '../kit/chain.ts';
import { addressOf, hexOf } from '../kit/event-logs.ts';
import { announce } from '../kit/music.ts';
import { type Artist, insertArtist } from '../kit/platform-rows.ts';
import { createDatabase } from '../kit/postgres.ts';
import { log, sourceFixture } from '../kit/source-fixture.ts';

const CHAIN = 31_337;
const [DEPLOYED, HEAD] = [5, 20];
/** A contract that a transaction created, and one that a factory created. */
const [OWN, MADE] = [addressOf(0xa1), addressOf(0xb2)];
const WRONG_HASH = hexOf(0xbad, 64);

const fixture = sourceFixture();
let database: Database;
let artist: Artist;
let chain: Chain;
let lines: Record<string, unknown>[];

beforeEach(async () => {
  const created = await createDatabase();
  database = openDatabase({ url: created.url });
  artist = await insertArtist(database.pool);
  chain = new Chain();
  for (let number = 1; number <= HEAD; number++) {
    chain.append({ logs: [log()], ...(number === DEPLOYED && { creates: [OWN] }) });
  }
  chain.code.set(MADE, DEPLOYED);
  lines = [];
  return async () => {
    await database.close();
    await created.drop();
  };
});

const announced = (kind: 'master' | 'dividend' | 'artist_token', address: Hex, block: number | null) =>
  announce(database.pool, artist, { kind, chainId: CHAIN, address, block });

/** Reads the registry until a round changes nothing. */
async function read(finalized = HEAD): Promise<void> {
  await database.pool.query('insert into indexer.chains (chain_id, finalized_number) values ($1, $2)', [
    CHAIN,
    finalized,
  ]);
  const source = fixture.open([(await fixture.serve(chain)).url]);
  const sink = { write: (line: string) => lines.push(JSON.parse(line)) };
  const logger = createLogger({ level: 'info', redact: (text) => text, sink, pretty: false });
  const runtime = { now: () => performance.now(), random: Math.random };
  const reader = chainReaderOver(source);
  const registry = new ContractReader({ db: database.kysely, chainId: CHAIN, reader, log: logger, runtime });
  for (let round = 0; round < 2; round++) await registry.read(HEAD, new AbortController().signal);
}

const rows = async (text: string) => (await database.pool.query(text)).rows;
const COLUMNS = `deployed_at_block::int as block, extract(epoch from deployed_at)::int as time, deployment_tx_hash as transaction`;

/** Returns the time of the deployment, and the transaction that created `OWN`. */
function deployment(): { readonly time: number; readonly transaction: Hex | undefined } {
  const { timestamp, creations } = chain.block(DEPLOYED) as ChainBlock;
  return { time: timestamp, transaction: [...creations.keys()][0] };
}

test('empty columns are filled with the block, its time, and the transaction that the receipt of the creation names', async () => {
  await announced('master', OWN, null);
  await announced('dividend', MADE, null);
  await read();
  const { time, transaction } = deployment();
  expect(await rows(`select ${COLUMNS} from master_contracts`)).toEqual([{ block: DEPLOYED, time, transaction }]);
  expect(await rows(`select ${COLUMNS} from dividend_contracts`)).toEqual([
    { block: DEPLOYED, time, transaction: null },
  ]);
  expect(await rows('select count(*)::int from indexer.contracts where deployment_read_at is not null')).toEqual([
    { count: 2 },
  ]);
});

test('the row of a pool has a block and a transaction', async () => {
  const token = await announced('artist_token', MADE, DEPLOYED);
  await announce(database.pool, artist, { kind: 'pool', chainId: CHAIN, address: OWN, block: DEPLOYED, token });
  await read();
  expect(
    await rows('select created_at_block::int as block, created_at_tx_hash as transaction from liquidity_pools'),
  ).toEqual([{ block: DEPLOYED, transaction: deployment().transaction }]);
});

test('what the platform wrote stays unless a receipt proves it wrong, and a block that is too high is lowered', async () => {
  await announced('master', OWN, DEPLOYED + 3);
  await announced('artist_token', MADE, DEPLOYED + 3);
  const columns = `deployed_at = 'epoch', deployment_tx_hash = '${WRONG_HASH}'`;
  await database.pool.query(`update master_contracts set ${columns}; update artist_tokens set ${columns}`);
  await read();
  const { time, transaction } = deployment();
  expect(await rows(`select ${COLUMNS} from master_contracts`)).toEqual([{ block: DEPLOYED, time, transaction }]);
  expect(await rows(`select ${COLUMNS} from artist_tokens`)).toEqual([
    { block: DEPLOYED + 3, time: 0, transaction: WRONG_HASH },
  ]);
  expect(await rows('select kind, deployed_at_block::int as block from indexer.contracts order by kind')).toEqual([
    { kind: 'artist_token', block: DEPLOYED + 3 },
    { kind: 'master', block: DEPLOYED },
  ]);
  const corrections = lines.filter(({ msg }) => msg === 'deployment block of a contract corrected');
  expect(corrections).toMatchObject([
    { kind: 'master', block: DEPLOYED, former: { block: String(DEPLOYED + 3), transaction: WRONG_HASH } },
  ]);
});

test('a deployment above the finalized block is not written, because a reorg may move it', async () => {
  await announced('master', OWN, null);
  await read(DEPLOYED - 1);
  expect(await rows(`select ${COLUMNS} from master_contracts`)).toEqual([
    { block: null, time: null, transaction: null },
  ]);
  await database.pool.query('delete from indexer.chains');
  await read(DEPLOYED);
  expect(await rows(`select ${COLUMNS} from master_contracts`)).toMatchObject([{ block: DEPLOYED }]);
});

test('another row of the platform for the same contract is filled too', async () => {
  await announced('master', OWN, null);
  await read();
  await database.pool.query('delete from indexer.chains; delete from master_contracts');
  await announced('master', OWN, null);
  await read();
  expect(await rows(`select ${COLUMNS} from master_contracts`)).toMatchObject([{ block: DEPLOYED }]);
});
