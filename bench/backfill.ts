import pg from 'pg';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { startIndexing } from './indexing-process.ts';
import type { Server } from './server.ts';
import { type Statement, statementsOf } from './statements.ts';
import { environment, type WorldOptions } from './world.ts';

/** What filling the whole chain took. Times in milliseconds. */
export type BackfillResult = {
  readonly eventsPerSecond: number;
  readonly wallMs: number;
  readonly processCpuMs: number;
  readonly postgresCpuMs: number;
  readonly peakRssBytes: number;
  readonly databaseBytes: number;
  readonly statements: readonly Statement[];
};

/** How the program is told to fill history; the one place that knows. */
export function startFilling(
  databaseUrl: string,
  rpcUrl: string,
  { args = [], flags = [] }: { readonly args?: readonly string[]; readonly flags?: readonly string[] } = {},
) {
  return startIndexing(['backfill', '--from-block', '1', '--json', ...args], environment(databaseUrl, rpcUrl), flags);
}

/** Blocks that are there before, where tables are to be in use. */
const BLOCKS_BEFORE = 20;

/** A backfill to measure: the chain, the database and what runs beside it. */
export type Filling = {
  readonly name: string;
  /** Flags of Node. */
  readonly flags?: readonly string[] | undefined;
  /** Tables hold facts already, so that no index may be left for the end. */
  readonly inUse?: boolean;
};

/**
 * Fills a new database with the whole chain, which is final, and checks it. The time runs from the first request for logs to
 * the end of the process, so that starting Node does not count.
 *
 * @returns the database's URL too; whoever calls drops it
 */
export async function measureBackfill(
  server: Server,
  chain: Chain,
  options: WorldOptions,
  { name, flags = [], inUse = false }: Filling,
): Promise<{ readonly url: string; readonly result: BackfillResult }> {
  const url = await server.createDatabase(name);
  if (inUse) {
    await chain.moveTo(options.blocks, options.blocks);
    await startFilling(url, chain.httpUrl, { args: ['--to-block', String(BLOCKS_BEFORE)] }).finished();
  }
  await chain.moveTo(options.blocks, options.blocks);
  await server.settle();
  const cpuBefore = await server.cpuMs();
  const usage = await startFilling(url, chain.httpUrl, { flags }).finished();
  const endedAt = performance.timeOrigin + performance.now();
  const postgresCpuMs = (await server.cpuMs()) - cpuBefore;
  const startedAt = await chain.firstLogsAt();
  if (startedAt === undefined) throw new Error('the backfill asked for no logs');
  await checkDatabase(url, await chain.expected(options.blocks));
  const wallMs = endedAt - startedAt;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const size = await client.query<{ bytes: string }>('select pg_database_size(current_database()) as bytes');
    return {
      url,
      result: {
        eventsPerSecond: options.events / (wallMs / 1_000),
        wallMs,
        processCpuMs: usage.cpuMs,
        postgresCpuMs,
        peakRssBytes: usage.peakRssBytes,
        databaseBytes: Number(size.rows[0]?.bytes),
        statements: await statementsOf(client),
      },
    };
  } finally {
    await client.end();
  }
}
