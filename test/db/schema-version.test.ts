import { expect, test } from 'vitest';
import { assertSchemaCurrent, migrateDown, migrateUp, migrationStatus } from '../../indexer/db/migrate.ts';
import { SchemaVersionError } from '../../indexer/kernel/errors.ts';
import { createDatabase } from '../kit/postgres.ts';
import { onEachVersion } from '../kit/versions.ts';
import { withDatabase } from '../kit/with-database.ts';

const OBJECTS = `
  select format('%s %s', nspname, relname) as name from pg_class join pg_namespace n on n.oid = relnamespace
  where nspname !~ '^pg_|^information_schema$'
  union all
  select format('%s %s', nspname, typname) from pg_type join pg_namespace n on n.oid = typnamespace
  where nspname !~ '^pg_|^information_schema$'
  union all
  select format('%s %s', nspname, proname) from pg_proc join pg_namespace n on n.oid = pronamespace
  where nspname !~ '^pg_|^information_schema$'
  union all
  select nspname from pg_namespace where nspname = 'indexer'
`;

await onEachVersion((emptyDatabase) => {
  test('migrating down removes everything, and migrating up works again', async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      const applied = await migrateUp(db);
      const everything = (await client.query(OBJECTS)).rows;
      expect(await migrateUp(db)).toEqual([]);
      expect(await migrateDown(db)).toEqual(applied.toReversed());
      expect((await client.query(OBJECTS)).rows).toEqual([]);
      expect(await migrateUp(db)).toEqual(applied);
      expect((await client.query(OBJECTS)).rows.length).toBe(everything.length);
      await assertSchemaCurrent(db);
    });
  });

  test('migrations can be reverted one at a time', async () => {
    await withDatabase(emptyDatabase(), async (client, db) => {
      const applied = await migrateUp(db);
      for (const name of applied.toReversed()) expect(await migrateDown(db, 1)).toEqual([name]);
      expect(await migrateUp(db)).toEqual(applied);
      expect((await client.query('select from users')).rows).toEqual([]);
    });
  });

  test('when several processes migrate at once, one migrates and the others wait', async () => {
    await withDatabase(emptyDatabase(), async (_client, db) => {
      const results = await Promise.all([migrateUp(db), migrateUp(db), migrateUp(db)]);
      const migrated = results.filter((names) => names.length > 0);
      expect(migrated).toHaveLength(1);
      await assertSchemaCurrent(db);
    });
  });
});

test('an older schema is refused with the command to run', async () => {
  await withDatabase(createDatabase(), async (_client, db) => {
    await migrateDown(db, 1);
    await expect(assertSchemaCurrent(db)).rejects.toThrow(SchemaVersionError);
    await expect(assertSchemaCurrent(db)).rejects.toThrow(/older than this program.*run `indexer migrate up`/);
    const status = await migrationStatus(db);
    expect(status.filter(({ appliedAt }) => appliedAt === null)).toHaveLength(1);
    await migrateDown(db);
    await expect(assertSchemaCurrent(db)).rejects.toThrow(/is not migrated yet; run `indexer migrate up`/);
  });
});

test('a newer schema is refused and left unchanged', async () => {
  await withDatabase(createDatabase(), async (client, db) => {
    await client.query("insert into indexer.kysely_migration values ('9999_future', '2030-01-01T00:00:00.000Z')");
    for (const act of [assertSchemaCurrent, migrateUp, migrateDown]) {
      await expect(act(db)).rejects.toThrow(SchemaVersionError);
      await expect(act(db)).rejects.toThrow(/newer than this program.*9999_future.*upgrade the program/);
    }
    expect((await migrationStatus(db)).at(-1)).toMatchObject({ name: '9999_future', known: false });
    expect((await client.query('select from users')).rows).toEqual([]);
  });
});
