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
  /** The time of the whole command, the start of Node included. */
  readonly commandMs: number;
  /** The time from the first request for logs until the range was filled, without the indexes that are built afterwards. */
  readonly loadMs: number;
  readonly processCpuMs: number;
  readonly postgresCpuMs: number;
  readonly peakRssBytes: number;
  readonly databaseBytes: number;
  /** The write-ahead log that the backfill wrote. */
  readonly walBytes: number;
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

/** Creates a database and measures how it is filled, with `measureFill`. The caller drops the database. */
export async function measureBackfill(
  server: Server,
  chain: Chain,
  options: WorldOptions,
  { name, ...conditions }: BackfillConditions,
): Promise<{ readonly url: string; readonly result: BackfillResult }> {
  const url = await server.createDatabase(name);
  return { url, result: await measureFill(server, chain, options, { url, ...conditions }) };
}

/**
 * Fills a database with the whole chain, all of it finalized, and checks the database. The time is measured from the first request for
 * logs to the end of the process, so that the start of Node does not count.
 */
export async function measureFill(
  server: Server,
  chain: Chain,
  options: WorldOptions,
  { url, flags = [], inUse = false }: Omit<BackfillConditions, 'name'> & { readonly url: string },
): Promise<BackfillResult> {
  if (inUse) {
    await chain.moveTo(options.blocks, options.blocks);
    await startBackfill(url, chain.httpUrl, { args: ['--to-block', String(BLOCKS_IN_USE)] }).finished();
  }
  await chain.moveTo(options.blocks, options.blocks);
  await server.settle();
  const [cpuBefore, walBefore] = [await server.cpuMs(), await server.walBytes()];
  const begunAt = performance.timeOrigin + performance.now();
  const usage = await startBackfill(url, chain.httpUrl, { flags }).finished();
  const endedAt = performance.timeOrigin + performance.now();
  const [postgresCpuMs, walBytes] = [(await server.cpuMs()) - cpuBefore, (await server.walBytes()) - walBefore];
  const startedAt = await chain.firstLogsAt();
  if (startedAt === undefined) throw new Error('the backfill requested no logs');
  const wallMs = endedAt - startedAt;
  const { filledAt, ...databaseFigures } = await readFigures(url);
  await checkDatabase(url, await chain.expectedAfter(options.blocks));
  return {
    eventsPerSecond: options.events / (wallMs / 1_000),
    wallMs,
    commandMs: endedAt - begunAt,
    loadMs: filledAt - startedAt,
    processCpuMs: usage.cpuMs,
    postgresCpuMs,
    peakRssBytes: usage.peakRssBytes,
    walBytes,
    ...databaseFigures,
  };
}

type DatabaseFigures = Pick<BackfillResult, 'databaseBytes' | 'statements'> & {
  /** When the last backfill had filled its range, in milliseconds since 1970. */
  readonly filledAt: number;
};

async function readFigures(url: string): Promise<DatabaseFigures> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ bytes: string; filled_at: string }>(
      `select pg_database_size(current_database()) as bytes, extract(epoch from max(finished_at)) * 1000 as filled_at
       from indexer.backfills`,
    );
    const [figures] = rows;
    const [databaseBytes, filledAt] = [Number(figures?.bytes), Number(figures?.filled_at)];
    return { databaseBytes, filledAt, statements: await statementsOf(client) };
  } finally {
    await client.end();
  }
}
