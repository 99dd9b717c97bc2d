import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import type { StateTable } from '../../indexer/facts/fact-table.ts';
import { stateTables } from '../../indexer/protocols/protocols.ts';
import { Daemon } from '../kit/daemon.ts';
import { Program } from '../kit/program.ts';
import { announcedDatabase, deployOnAnvil } from '../kit/scene.ts';
import { installMulticall, openVerifier } from '../kit/verification.ts';

const STEPS = 150;
const FINAL_BLOCKS = 4;

/** Creates a database that followed the real contracts through reorgs. No process writes to it any more. */
async function mirror({ multicall = false } = {}) {
  const { anvil, platform, traffic, settled } = await deployOnAnvil({ slotsInAnEpoch: 1 });
  if (multicall) await installMulticall(anvil);
  await traffic.run(STEPS);
  const { url, db } = await announcedDatabase(platform);
  const env = { DATABASE_URL: url, [`RPC_URL_${anvil.chainId}`]: anvil.url };
  const daemon = await Daemon.start(env);
  await settled(db);
  await traffic.reorg(2);
  await traffic.run(10);
  await settled(db);
  await anvil.mine(FINAL_BLOCKS);
  await settled(db);
  await daemon.kill();
  return { anvil, platform, db, env, url, ...openVerifier(url, anvil.chainId, [anvil.url]) };
}

describe.each([{ multicall: true }, { multicall: false }])('real contracts (Multicall3: $multicall)', (options) => {
  test('a mirror that followed reorgs has no difference', async () => {
    const { anvil, verify, db, env } = await mirror(options);
    const { result, differences, notes } = await verify();
    expect(differences).toEqual([]);
    const tokens = Number((await db.query('select count(*) from master_nfts')).rows[0].count);
    const holders = Number((await db.query('select count(*) from token_holders')).rows[0].count);
    expect(result.answers).toBeGreaterThan(tokens + holders);
    expect(result.blocks).toBeGreaterThan(20);
    expect(result).toMatchObject({ contracts: 6, differences: 0, left: 0 });
    const { number: finalized } = await anvil.client.getBlock({ blockTag: 'finalized' });
    expect(result.block).toBe(Number(finalized));
    const silent = notes.filter((note) => note.includes('does not answer'));
    expect(silent).toEqual(notes);
    expect(silent.some((note) => note.includes('claimableAmount(uint256)'))).toBe(true);

    const command = new Program(['verify', '--all', '--json', '--seed', '7'], env);
    expect(await command.exited).toBe(0);
    const lines = command.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toEqual({ type: 'result', ...result });
  });
});

test('every column of every table of state that is changed by hand is found, and repaired', async () => {
  const { verify, db, digest } = await mirror();
  const before = await digest();
  let changes = 0;
  for (const table of stateTables) {
    for (const column of derivedColumns(table)) {
      const id = await changeColumn(db, table, column);
      expect(id, `${table.name}.${column} has a row`).toBeDefined();
      const { result, differences } = await verify({ sample: 1, repairs: true });
      expect(differences, `${table.name}.${column}`).toContainEqual(
        expect.objectContaining({
          comparison: 'state',
          table: table.name,
          ...(isComparedWhole(table) ? {} : { column }),
        }),
      );
      expect(result, `${table.name}.${column}`).toMatchObject({ left: 0, factsRepaired: 0 });
      expect(await digest(), `${table.name}.${column}`).toEqual(before);
      changes += 1;
    }
  }
  expect(changes).toBeGreaterThan(25);
});

test('every row of a table of state that is deleted or added by hand is found, and repaired', async () => {
  const { verify, db, digest } = await mirror();
  const before = await digest();
  for (const table of stateTables.filter(
    ({ isPlatformRow, name }) => isPlatformRow !== true && name !== 'master_ipos',
  )) {
    for (const change of [deleteRow, addRow]) {
      await change(db, table);
      const { differences } = await verify({ sample: 1 });
      const where = `${table.name} ${change.name}`;
      expect(differences, where).toContainEqual(
        expect.objectContaining({
          comparison: 'state',
          table: table.name,
          ...(isComparedWhole(table) ? {} : { column: '*' }),
        }),
      );
      expect((await verify({ sample: 1, repairs: true })).result, where).toMatchObject({ left: 0 });
      expect(await digest(), where).toEqual(before);
    }
  }
});

/** Returns whether many rows of a table are compared together, by a hash of them. */
function isComparedWhole({ expected }: StateTable): boolean {
  return expected.compared !== undefined;
}

/** Returns the columns of a table's digest after its key. */
function derivedColumns({ digest, expected }: StateTable): readonly string[] {
  return digest.columns.slice(expected.keyColumns).map((column) => /^coalesce\((\w+),/.exec(column)?.[1] ?? column);
}

/** Returns an expression for another value of a column, by the type of the column. */
const OTHER_VALUE: Readonly<Record<string, (column: string) => string>> = {
  numeric: (column) => `coalesce(${column}, 0) + 9876`,
  bigint: (column) => `coalesce(${column}, 0) + 9876`,
  integer: (column) => `coalesce(${column}, 0) + 9876`,
  boolean: (column) => `not ${column}`,
  'character varying': (column) => `'0x' || substr(md5(coalesce(${column}, '')), 1, 32)`,
  text: (column) => `'0x' || substr(md5(coalesce(${column}, '')), 1, 32)`,
  'timestamp with time zone': (column) => `coalesce(${column}, now()) + interval '1 second'`,
};

async function changeColumn(db: pg.Pool, { name }: StateTable, column: string): Promise<string | undefined> {
  const type = await db.query(
    'select data_type from information_schema.columns where table_name = $1 and column_name = $2',
    [name, column],
  );
  const other = OTHER_VALUE[type.rows[0].data_type];
  if (other === undefined) throw new Error(`no other value for ${name}.${column} of type ${type.rows[0].data_type}`);
  const { rows } = await db.query(
    `update ${name} set ${column} = ${other(column)} where id = (select id from ${name} order by id limit 1) returning id`,
  );
  return rows[0]?.id;
}

/** Runs a statement without checking foreign keys. */
async function withoutForeignKeys(db: pg.Pool, statement: string): Promise<void> {
  const client = await db.connect();
  try {
    await client.query(`begin; set local session_replication_role = replica`);
    const { rowCount } = await client.query(statement);
    expect(rowCount, statement).toBe(1);
    await client.query('commit');
  } finally {
    client.release();
  }
}

async function deleteRow(db: pg.Pool, { name }: StateTable): Promise<void> {
  await withoutForeignKeys(db, `delete from ${name} where id = (select id from ${name} order by id limit 1)`);
}

async function addRow(db: pg.Pool, table: StateTable): Promise<void> {
  const { name, digest } = table;
  const key = isComparedWhole(table) ? 'token_id' : digest.columns[2];
  const other = key === 'token_id' ? '987654321' : `'0x${'ee'.repeat(20)}'`;
  const changes = `jsonb_build_object('id', gen_random_uuid(), '${key}', ${other})`;
  await withoutForeignKeys(
    db,
    `insert into ${name} select (jsonb_populate_record(null::${name}, to_jsonb(held) || ${changes})).* from (
      select * from ${name} order by id limit 1) held`,
  );
}
