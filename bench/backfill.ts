import pg from 'pg';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { startIndexing } from './indexing-process.ts';
import type { Server } from './server.ts';
import { type Statement, statementsOf } from './statements.ts';
import { environment, type WorldOptions } from './world.ts';

/** The cost of a backfill of the whole chain. */
export type BackfillResult = {
  readonly eventsPerSecond: number;
  readonly wallMs: number;
  readonly processCpuMs: number;
  readonly postgresCpuMs: number;
  readonly peakRssBytes: number;
  readonly databaseBytes: number;
  readonly statements: readonly Statement[];
};

/** Starts `indexer backfill` over the whole chain. */
export function startBackfill(
  databaseUrl: string,
  rpcUrl: string,
  { args = [], flags = [] }: { readonly args?: readonly string[]; readonly flags?: readonly string[] } = {},
) {
  return startIndexing(['backfill', '--from-block', '1', '--json', ...args], environment(databaseUrl, rpcUrl), flags);
}

/** Blocks that are filled before the measurement of tables in use. */
const BLOCKS_IN_USE = 20;

/** The conditions under which a backfill is measured. */
export type BackfillConditions = {
  /** The name of the database. */
  readonly name: string;
  /** Flags of Node, such as `--cpu-prof`. */
  readonly flags?: readonly string[] | undefined;
  /** Whether tables hold facts already, so that indexes cannot be deferred to the end. */
  readonly inUse?: boolean;
};

/**
 * Fills a new database with the whole chain, all of it finalized, and checks the database. The time is measured from the first
 * request for logs to the end of the process, so that the start of Node does not count. The caller drops the database.
 */
export async function measureBackfill(
  server: Server,
  chain: Chain,
  options: WorldOptions,
  { name, flags = [], inUse = false }: BackfillConditions,
): Promise<{ readonly url: string; readonly result: BackfillResult }> {
  const url = await server.createDatabase(name);
  if (inUse) {
    await chain.moveTo(options.blocks, options.blocks);
    await startBackfill(url, chain.httpUrl, { args: ['--to-block', String(BLOCKS_IN_USE)] }).finished();
  }
  await chain.moveTo(options.blocks, options.blocks);
  await server.settle();
  const cpuBefore = await server.cpuMs();
  const usage = await startBackfill(url, chain.httpUrl, { flags }).finished();
  const endedAt = performance.timeOrigin + performance.now();
  const postgresCpuMs = (await server.cpuMs()) - cpuBefore;
  const startedAt = await chain.firstLogsAt();
  if (startedAt === undefined) throw new Error('the backfill requested no logs');
  const wallMs = endedAt - startedAt;
  const databaseFigures = await readFigures(url);
  await checkDatabase(url, await chain.expectedAfter(options.blocks));
  const result = {
    eventsPerSecond: options.events / (wallMs / 1_000),
    wallMs,
    processCpuMs: usage.cpuMs,
    postgresCpuMs,
    peakRssBytes: usage.peakRssBytes,
    ...databaseFigures,
  };
  return { url, result };
}

async function readFigures(url: string): Promise<Pick<BackfillResult, 'databaseBytes' | 'statements'>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const size = await client.query<{ bytes: string }>('select pg_database_size(current_database()) as bytes');
    return { databaseBytes: Number(size.rows[0]?.bytes), statements: await statementsOf(client) };
  } finally {
    await client.end();
  }
}
