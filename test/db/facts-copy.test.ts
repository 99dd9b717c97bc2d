import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyOver } from '../../indexer/db/copy.ts';
import { openDatabase } from '../../indexer/db/database.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { masterNftId } from '../../indexer/facts/ids.ts';
import { insertFacts, writeFacts } from '../../indexer/facts/write.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { addressOf, hexOf } from '../kit/event-logs.ts';
import { ALICE, batchOf, extremeFacts, type FactsByTable, UINT256_MAX } from '../kit/fact-batch.ts';
import { createDatabase, type TestDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  // Foreign keys are not checked, so the platform's rows need not exist.
  await client.query("set session_replication_role = replica; set timezone = 'UTC'");
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** Writes a batch, runs `act`, and rolls back. */
async function withWritten(lists: Partial<FactsByTable>, act: () => Promise<void>): Promise<void> {
  await client.query('begin');
  try {
    const encoded = encodeBatch(batchOf(lists), factTables);
    await writeFacts(copyOver(client as unknown as pg.PoolClient), factTables, [encoded]);
    await act();
  } finally {
    await client.query('rollback');
  }
}

test('facts with extreme values are stored exactly', async () => {
  await withWritten(extremeFacts(), async () => {
    const nfts = await client.query(
      `select token_id::text, master_nft_id, indexer.derived_id('master_nfts:1:' || contract_address || ':' || token_id) as derived,
        position::text, sale_price_wei::text, transfer_type from nft_transfers order by token_id desc`,
    );
    const position = `${100n * 2n ** 32n + 0xffffffe2n}`;
    const tokenId = masterNftId(1, addressOf(7), UINT256_MAX);
    expect(nfts.rows).toMatchObject([
      {
        token_id: UINT256_MAX,
        master_nft_id: tokenId,
        derived: tokenId,
        position,
        sale_price_wei: '5',
        transfer_type: 'mint',
      },
      { token_id: '1', sale_price_wei: null, transfer_type: 'transfer' },
    ]);
    const swaps = await client.query('select amount0::text, recipient, block_timestamp::text from pool_events');
    expect(swaps.rows).toEqual([
      { amount0: `-${UINT256_MAX}`, recipient: null, block_timestamp: '2023-11-14 22:13:20+00' },
    ]);
    const events = await client.query('select arguments, kind, block_number::int from indexer.contract_events');
    const args = { reserve0: '1', name: 'a\\"\n\t\ufffd\ufffdé' };
    expect(events.rows).toEqual([{ arguments: args, kind: 'pool', block_number: 100 }]);
    const letters = await client.query('select topics, data, reason, kind from indexer.dead_letters');
    expect(letters.rows).toEqual([
      { topics: [hexOf(1, 64), hexOf(2, 64)], data: '0x', reason: 'no\tfit', kind: 'log' },
    ]);
  });
});

test('every fact table has the described columns, a unique key and one row per fact', async () => {
  const lists = extremeFacts();
  const { facts } = batchOf(lists);
  await withWritten(lists, async () => {
    for (const table of factTables) {
      const { schema, name, chainIdType, foldColumns, key } = table;
      const columns = [...key, ...Object.values(foldColumns ?? {}), ...(foldColumns === undefined ? [] : ['position'])];
      const rows = await client.query(`select ${columns.join(', ')}, chain_id from ${schema}.${name}`);
      expect(rows.rows).toHaveLength(facts.of(table).length);
      const chainId = rows.fields.at(-1)?.dataTypeID;
      expect(chainId === pg.types.builtins.INT8 ? 'bigint' : 'text').toBe(chainIdType);
      const unique = await client.query(
        `select 1 from pg_index where indrelid = $1::regclass and indisunique and $2 = (select string_agg(attname, ',' order by place)
          from unnest(indkey) with ordinality as keys (number, place) join pg_attribute on attrelid = indrelid and attnum = number)`,
        [`${schema}.${name}`, key.join(',')],
      );
      expect([name, unique.rowCount]).toEqual([name, 1]);
    }
  });
});

/** Reads every fact table, without the `created_at` columns. */
async function storedFacts(): Promise<unknown> {
  const tables = [];
  for (const { schema, name } of factTables) {
    const { rows } = await client.query(
      `select to_jsonb(fact) - 'created_at' as fact from ${schema}.${name} fact order by id`,
    );
    tables.push([name, rows.map(({ fact }) => fact)]);
  }
  return tables;
}

test('insertFacts stores the same rows as COPY', async () => {
  const { contractEvents, deadLetters, ...rest } = extremeFacts();
  const plain = {
    ...rest,
    contractEvents: contractEvents.map((event) => ({ ...event, arguments: { reserve0: '1', name: 'é 😀' } })),
    deadLetters: deadLetters.map((letter) => ({ ...letter, reason: 'no fit' })),
  };
  let copied: unknown;
  await withWritten(plain, async () => {
    copied = await storedFacts();
  });
  const compiler = openDatabase({ url: database.url });
  await client.query('begin');
  try {
    for (const { statement } of insertFacts(encodeBatch(batchOf(plain), factTables)) ?? []) {
      const { sql, parameters } = statement.compile(compiler.kysely);
      await client.query(sql, [...parameters]);
    }
    expect(await storedFacts()).toEqual(copied);
  } finally {
    await client.query('rollback');
    await compiler.close();
  }
});

test('insertFacts returns undefined for text that needs COPY escapes and for more than 500 facts', () => {
  expect(insertFacts(encodeBatch(batchOf(extremeFacts()), factTables))).toBeUndefined();
  const [transfer] = extremeFacts().tokenTransfers;
  const transfers = transfer ? Array(501).fill(transfer) : [];
  const inserted = (tokenTransfers: typeof transfers) =>
    insertFacts(encodeBatch(batchOf({ tokenTransfers }), factTables));
  expect(inserted(transfers)).toBeUndefined();
  expect(inserted(transfers.slice(1))).toHaveLength(1);
  expect(inserted([])).toEqual([]);
});

test('the latest timestamp that a header may have fits into PostgreSQL', async () => {
  const [transfer] = extremeFacts().tokenTransfers;
  const late = { ...extremeFacts(), tokenTransfers: transfer ? [{ ...transfer, timestamp: 8_640_000_000_000 }] : [] };
  await withWritten(late, async () => {
    const rows = await client.query('select block_timestamp::text, value::text, from_wallet from token_transfers');
    expect(rows.rows).toEqual([
      { block_timestamp: '275760-09-13 00:00:00+00', value: UINT256_MAX, from_wallet: ALICE },
    ]);
  });
});
