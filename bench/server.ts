import pg from 'pg';
import { type Database, openDatabase } from '../indexer/db/database.ts';
import { migrateUp } from '../indexer/db/migrate.ts';
import type { Hex } from '../indexer/kernel/chain.ts';
import { addContracts, type ContractSpec } from '../indexer/registry/add.ts';
import { readRegistry } from '../test/kit/oracle/check-database.ts';
import type { OracleContract } from '../test/kit/oracle/facts.ts';
import { startPostgres } from '../test/kit/postgres-server.ts';
import { cpuOfTree } from './usage.ts';
import { CHAIN_ID, type World } from './world.ts';

/** Settings as on a production server, which loses no committed data in a crash. */
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
  // Leaves out the statements of foreign key checks: counting half a million of them would take longer than many statements.
  'pg_stat_statements.track': 'top',
  track_io_timing: 'on',
} as const;

const TEMPLATE = 'bench_template';

/** The benchmark's own PostgreSQL server. */
export type Server = {
  readonly version: string;
  /** The registered contracts, with the ids of their rows, which are the same in every database. */
  readonly contracts: readonly OracleContract[];
  /** Creates a database that has the full schema and every contract of the world registered. Returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** Registers further artist tokens in a database. Returns all of its contracts. */
  addArtistTokens(url: string, addresses: readonly Hex[]): Promise<readonly OracleContract[]>;
  dropDatabase(name: string): Promise<void>;
  /** Writes dirty pages to disk, so that a measurement does not pay for the one before. */
  settle(): Promise<void>;
  /** Returns the CPU time of all the server's processes so far, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Returns how many bytes of write-ahead log the server has written so far. */
  walBytes(): Promise<number>;
  stop(): Promise<void>;
};

/** Starts PostgreSQL with the settings of the benchmark, some of which may be replaced. */
export async function startServer(world: World, settings: Readonly<Record<string, string>> = {}): Promise<Server> {
  const server = await startPostgres({ settings: { ...SETTINGS, ...settings } });
  const admin = new pg.Client({ connectionString: server.url });
  try {
    await admin.connect();
    await admin.query(`create database ${TEMPLATE}`);
    const url = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    const contracts = await withDatabase(url(TEMPLATE), (database) => prepare(database, world));
    const pidFile = await admin.query<{ text: string }>("select pg_read_file('postmaster.pid') as text");
    const postmaster = Number(pidFile.rows[0]?.text.split('\n')[0]);
    const version = await admin.query<{ server_version: string }>('show server_version');
    return {
      version: version.rows[0]?.server_version ?? '',
      contracts,
      async createDatabase(name) {
        await admin.query(`create database ${name} template ${TEMPLATE}`);
        return url(name);
      },
      addArtistTokens: (databaseUrl, addresses) =>
        withDatabase(databaseUrl, (database) =>
          register(database, world, [
            ...world.contracts(),
            ...addresses.map((address) => ({ kind: 'artist_token' as const, address })),
          ]),
        ),
      async dropDatabase(name) {
        await admin.query(`drop database ${name} with (force)`);
      },
      async settle() {
        await admin.query('checkpoint');
      },
      cpuMs: () => cpuOfTree(postmaster),
      async walBytes() {
        const { rows } = await admin.query<{ bytes: string }>("select pg_current_wal_lsn() - '0/0' as bytes");
        return Number(rows[0]?.bytes);
      },
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

/** Opens a database, runs `work` with it and closes it. */
export async function withDatabase<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase({ url, maxConnections: 2 });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function prepare(database: Database, world: World): Promise<readonly OracleContract[]> {
  await migrateUp(database.kysely);
  const contracts = await register(database, world, world.contracts());
  await database.pool.query('create extension pg_stat_statements');
  await database.pool.query('vacuum analyze');
  return contracts;
}

type Contracts = ReturnType<World['contracts']>;

async function register(database: Database, world: World, named: Contracts): Promise<readonly OracleContract[]> {
  await addContracts(
    database,
    named.map((contract) => specOf(contract, world)),
  );
  // The chain server has no contracts that could be called for names, and no transactions that deployed them.
  await database.pool.query('update indexer.contracts set metadata_read_at = now(), deployment_read_at = now()');
  const { contracts } = await readRegistry(database.pool, CHAIN_ID, named);
  return contracts;
}

function specOf({ kind, address }: Contracts[number], world: World): ContractSpec {
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
