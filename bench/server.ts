import pg from 'pg';
import { type Database, openDatabase } from '../indexer/db/database.ts';
import { migrateUp } from '../indexer/db/migrate.ts';
import type { Hex } from '../indexer/kernel/chain.ts';
import { addContracts, type ContractSpec } from '../indexer/registry/add.ts';
import { startPostgres } from '../test/kit/postgres-server.ts';
import { cpuOfTree } from './usage.ts';
import { CHAIN_ID, type World } from './world.ts';

/** As one would run it: nothing that a crash could lose is given up. */
export const SETTINGS = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  work_mem: '32MB',
  maintenance_work_mem: '256MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  shared_preload_libraries: 'pg_stat_statements',
  // Not what foreign keys ask: counting half a million of these takes longer than many a statement.
  'pg_stat_statements.track': 'top',
  track_io_timing: 'on',
} as const;

const TEMPLATE = 'bench_template';

/** A PostgreSQL of the benchmark's own. */
export type Server = {
  readonly version: string;
  /** A new database with the full schema and every contract of the world registered, and nothing else. */
  createDatabase(name: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
  /** Writes dirty pages out, so that one measurement does not pay for the one before. */
  settle(): Promise<void>;
  /** CPU time of all its processes so far, in milliseconds. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
};

/** Starts PostgreSQL with the settings of the benchmark. */
export async function startServer(world: World): Promise<Server> {
  const server = await startPostgres({ settings: SETTINGS });
  const admin = new pg.Client({ connectionString: server.url });
  try {
    await admin.connect();
    await admin.query(`create database ${TEMPLATE}`);
    const url = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    await withDatabase(url(TEMPLATE), (database) => prepare(database, world));
    const pidFile = await admin.query<{ text: string }>("select pg_read_file('postmaster.pid') as text");
    const postmaster = Number(pidFile.rows[0]?.text.split('\n')[0]);
    const version = await admin.query<{ server_version: string }>('show server_version');
    return {
      version: version.rows[0]?.server_version ?? '',
      async createDatabase(name) {
        await admin.query(`create database ${name} template ${TEMPLATE}`);
        return url(name);
      },
      async dropDatabase(name) {
        await admin.query(`drop database ${name} with (force)`);
      },
      async settle() {
        await admin.query('checkpoint');
      },
      cpuMs: () => cpuOfTree(postmaster),
      async stop() {
        await admin.end();
        await server.stop();
      },
    };
  } catch (error) {
    await admin.end().catch(() => undefined);
    await server.stop();
    throw error;
  }
}

/** Runs work over an open database and closes it. */
export async function withDatabase<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase({ url, maxConnections: 2 });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function prepare(database: Database, world: World): Promise<void> {
  await migrateUp(database.kysely);
  await addContracts(
    database,
    world.contracts().map((contract) => specOf(contract, world)),
  );
  // Nobody is to ask the chain for names.
  await database.pool.query('update indexer.contracts set metadata_read_at = now()');
  await database.pool.query('create extension pg_stat_statements');
  await database.pool.query('vacuum analyze');
}

function specOf({ kind, address }: ReturnType<World['contracts']>[number], world: World): ContractSpec {
  const common = { chainId: CHAIN_ID, address, fromBlock: 1 };
  switch (kind) {
    case 'master':
      return { ...common, kind, masterId: undefined };
    case 'artist_token':
      return { ...common, kind, artistId: undefined };
    case 'dividend':
      return { ...common, kind, masterContract: undefined };
    case 'pool': {
      const token0 = world.artistTokens[world.pools.indexOf(address)] as Hex;
      return { ...common, kind, type: 'uniswap_v2', token0, token1: world.quoteToken };
    }
  }
}
