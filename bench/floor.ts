import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { Server } from './server.ts';

/** Tables of state come before tables of facts, because NFT transfers reference their tokens. */
const TABLES = [
  { name: 'master_nfts', order: 'contract_address, token_id' },
  { name: 'token_holders', order: 'artist_token_id, wallet_address' },
  { name: 'pool_positions', order: 'liquidity_pool_id, wallet_address' },
  { name: 'nft_transfers', order: 'position' },
  { name: 'token_transfers', order: 'position' },
  { name: 'pool_events', order: 'position' },
  { name: 'indexer.contract_events', order: 'position' },
] as const;

const CHUNK_BYTES = 256 * 1024;

/** The rows of a filled database in files, as text for `COPY`. */
export type Dump = { readonly tables: readonly DumpedTable[]; remove(): Promise<void> };
type DumpedTable = { readonly name: string; readonly columns: string; readonly file: string };

/** The cost of writing the same rows by `COPY` alone. */
export type FloorResult = { readonly wallMs: number; readonly postgresCpuMs: number };

/** Writes the rows of facts and of state to files, without generated columns. */
export async function dumpRows(url: string): Promise<Dump> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-bench-'));
  return connected(url, async (client) => {
    const tables: DumpedTable[] = [];
    for (const { name, order } of TABLES) {
      const { rows } = await client.query<{ columns: string }>(
        `select string_agg(quote_ident(attname), ', ' order by attnum) as columns from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
        [name],
      );
      const columns = rows[0]?.columns ?? '';
      const file = join(folder, `${name}.txt`);
      const select = `copy (select ${columns} from ${name} order by ${order}) to stdout`;
      await pipeline(client.query(copyTo(select)), createWriteStream(file));
      tables.push({ name, columns, file });
    }
    return { tables, remove: () => rm(folder, { recursive: true, force: true }) };
  });
}

/**
 * Writes the rows into the same tables of a new database, with the same indexes, keys and triggers, over one connection and with one
 * `COPY` for each table. No program can write them faster.
 */
export async function measureFloor(server: Server, dump: Dump, name: string): Promise<FloorResult> {
  const url = await server.createDatabase(name);
  await server.settle();
  const cpuBefore = await server.cpuMs();
  const wallMs = await connected(url, async (client) => {
    const startedAt = performance.now();
    for (const { name, columns, file } of dump.tables) {
      const target = client.query(copyFrom(`copy ${name} (${columns}) from stdin`));
      await pipeline(createReadStream(file, { highWaterMark: CHUNK_BYTES }), target);
    }
    return performance.now() - startedAt;
  });
  const postgresCpuMs = (await server.cpuMs()) - cpuBefore;
  await server.dropDatabase(name);
  return { wallMs, postgresCpuMs };
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
